package scaleway

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// nextReader is the step where a living key may not read at IAM.
const nextReader = "give the key's bearer the permission set IAMReadOnly at https://console.scaleway.com/iam/policies"

// List implements services.Lister: all API keys of the key's own bearer. It needs
// no more than IAMReadOnly. IAM does not record when a key was last used.
func (c *Client) List(ctx context.Context, with services.Credential) ([]services.Issued, error) {
	const op = "listing API keys"
	own, err := c.own(ctx, op, with)
	if err != nil {
		return nil, err
	}
	all, err := c.keysOf(ctx, with, own)
	if err != nil {
		f := living(op, err)
		if f.Kind == services.Permission {
			f.Next = nextReader
		}
		return nil, f
	}
	out := make([]services.Issued, 0, len(all))
	for _, k := range all {
		one := issued(k)
		one.ID, one.Label = services.Printable(one.ID), services.Printable(one.Label)
		out = append(out, one)
	}
	slices.SortStableFunc(out, func(a, b services.Issued) int { return a.Created.Compare(b.Created) })
	return out, nil
}

// Container is a Serverless Container as its API shows it, without what it has of
// its namespace.
type Container struct {
	ID   string
	Name string
	// Namespace is the name of its namespace, or the id where that is not listed.
	Namespace, NamespaceID string
	Status                 string // "ready" when it serves what was last asked for
	// Error is Scaleway's text on the last failed deployment; empty if none.
	Error string
	// Updated is when it was last changed, by Scaleway's clock.
	Updated time.Time
	// Secrets are argon2id hashes by name, in the form $argon2id$….
	Secrets map[string]string
}

// Namespace groups containers: its variables are theirs too.
type Namespace struct {
	ID, Name string
	Status   string
	Error    string
	Updated  time.Time
	Secrets  map[string]string
}

// Containers lists all containers of the client's region.
func (c *Client) Containers(ctx context.Context, cred services.Credential) ([]Container, error) {
	spaces, list, err := c.region(ctx, cred, "listing containers", "/containers")
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, n := range spaces.Namespaces {
		names[n.ID] = n.Name
	}
	out := make([]Container, 0, len(list.Containers))
	for _, k := range list.Containers {
		n := k.shown()
		space, ok := names[k.Namespace]
		if !ok {
			space = k.Namespace
		}
		out = append(out, Container{ID: n.ID, Name: n.Name, Namespace: services.Printable(space), NamespaceID: services.Printable(k.Namespace),
			Status: n.Status, Error: n.Error, Updated: n.Updated, Secrets: n.Secrets})
	}
	return out, nil
}

// Namespaces lists all namespaces of containers of the client's region.
func (c *Client) Namespaces(ctx context.Context, cred services.Credential) ([]Namespace, error) {
	list, _, err := c.region(ctx, cred, "listing namespaces of containers", "")
	if err != nil {
		return nil, err
	}
	out := make([]Namespace, 0, len(list.Namespaces))
	for _, n := range list.Namespaces {
		out = append(out, n.shown())
	}
	return out, nil
}

// region lists the namespaces of the client's region and what more is asked for.
func (c *Client) region(ctx context.Context, cred services.Credential, op, what string) (spaces, list hashedList, err error) {
	h, err := c.at(cred, op, Place{})
	if err != nil {
		return spaces, list, err
	}
	err = h.served(func() (err error) {
		if spaces, err = h.whole(ctx, "/namespaces"); err == nil && what != "" {
			list, err = h.whole(ctx, what)
		}
		return err
	})
	if err != nil {
		return spaces, list, services.Fault(Name, op, err)
	}
	return spaces, list, nil
}

// whole is a list that is all there is, and not what any {} would be.
func (h *holder) whole(ctx context.Context, what string) (hashedList, error) {
	list, err := h.list(ctx, what, url.Values{})
	if err == nil && (!slices.Contains(list.shown, what) || uint64(len(list.Containers)+len(list.Namespaces)) != list.promised) {
		err = &services.Error{Service: Name, Kind: services.Outage, Message: "the list is not whole, or changed while it was read",
			Next: "check services.scaleway.api in the catalog, then try again"}
	}
	return list, err
}

func (h hashedContainer) shown() Namespace {
	out := Namespace{ID: services.Printable(h.ID), Name: services.Printable(h.Name), Status: services.Printable(h.Status),
		Updated: h.Updated, Secrets: map[string]string{}}
	if h.Error != nil {
		out.Error = services.Printable(*h.Error)
	}
	for name, hash := range h.Secrets {
		out.Secrets[services.Printable(name)] = hash
	}
	return out
}
