package scaleway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"github.com/scaleway/scaleway-sdk-go/scw"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Place says which container, or which namespace of containers, is meant.
type Place struct {
	// Region is empty for the client's own.
	Region string
	// Namespace is a name or an id; empty where the container's name alone tells.
	Namespace string
	// Name is the container's; empty where the namespace itself is meant.
	Name string
}

// String is what messages call it.
func (p Place) String() string {
	if p.Name == "" {
		return "namespace " + p.Namespace
	}
	return "container " + p.Name
}

// holder is a container or namespace as one version of the API shows it.
type holder struct {
	client *scw.Client
	// base is the API's part for the region; path is the holder's own.
	base, path string
	// listed says that secrets are lists there (v1beta1) and not mappings.
	listed bool
	place  Place
	op     string
	found  hashedContainer
}

var idPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// find asks API v1 and, where that is not served, v1beta1.
func (c *Client) find(ctx context.Context, cred services.Credential, op string, p Place) (*holder, error) {
	h, err := c.at(cred, op, p)
	if err != nil {
		return nil, err
	}
	if err := h.served(func() error { return h.look(ctx) }); err != nil {
		return nil, services.Fault(Name, op, err)
	}
	return h, nil
}

// at knows the way to a place, and has not looked there yet.
func (c *Client) at(cred services.Credential, op string, p Place) (*holder, error) {
	values, err := services.Need(Name, cred, AccessEntry, SecretEntry)
	if err != nil {
		return nil, services.Fault(Name, op, err)
	}
	if p.Region == "" {
		p.Region = c.config.Region
	}
	region, err := scw.ParseRegion(p.Region)
	if err != nil {
		return nil, &services.Error{Service: Name, Op: op, Kind: services.Rejected, Message: "the region is not one of Scaleway's", Next: "check the region in the catalog"}
	}
	p.Region = region.String()
	client, err := c.sdk(values[0], values[1])
	if err != nil {
		return nil, services.Fault(Name, op, err)
	}
	return &holder{client: client, place: p, op: op, base: "/containers/v1/regions/" + p.Region}, nil
}

// errUnserved is what a list that this version of the API does not have ends in.
type errUnserved struct{ error }

// Unwrap gives the service's error.
func (e errUnserved) Unwrap() error { return e.error }

// served does something at v1 and, where that is not served, at v1beta1.
func (h *holder) served(do func() error) error {
	err := do()
	if errors.As(err, &errUnserved{}) {
		h.listed, h.base = true, "/containers/v1beta1/regions/"+h.place.Region
		err = do()
	}
	return err
}

// look finds the holder.
func (h *holder) look(ctx context.Context) error {
	p, namespace := h.place, h.place.Namespace
	if p.Name == "" || namespace != "" && !idPattern.MatchString(namespace) {
		query := url.Values{}
		if !idPattern.MatchString(namespace) {
			query.Set("name", namespace)
		}
		list, err := h.list(ctx, "/namespaces", query)
		if err != nil {
			return err
		}
		found, err := h.pick(list.Namespaces, "namespace", func(n hashedContainer) bool { return n.Name == namespace || n.ID == namespace })
		if err != nil {
			return err
		}
		namespace = found.ID
		if p.Name == "" {
			h.found, h.path = found, h.base+"/namespaces/"+url.PathEscape(found.ID)
			return nil
		}
	}
	query := url.Values{"name": {p.Name}}
	if namespace != "" {
		query.Set("namespace_id", namespace)
	}
	list, err := h.list(ctx, "/containers", query)
	if err != nil {
		return err
	}
	h.found, err = h.pick(list.Containers, "container", func(k hashedContainer) bool {
		return k.Name == p.Name && (namespace == "" || k.Namespace == namespace)
	})
	h.path = h.base + "/containers/" + url.PathEscape(h.found.ID)
	return err
}

func (h *holder) list(ctx context.Context, what string, query url.Values) (hashedList, error) {
	var list hashedList
	err := h.client.Do(&scw.ScalewayRequest{Method: http.MethodGet, Path: h.base + what, Query: query}, &list, scw.WithContext(ctx), scw.WithAllPages())
	if err != nil && services.Fault(Name, "", err).Kind == services.NotFound {
		err = errUnserved{err}
	}
	return list, err
}

// pick finds the one that is meant: the service's filter is not relied on.
func (h *holder) pick(list []hashedContainer, what string, meant func(hashedContainer) bool) (hashedContainer, error) {
	found := slices.DeleteFunc(slices.Clone(list), func(k hashedContainer) bool { return !meant(k) })
	name := h.place.Name
	if what == "namespace" {
		name = h.place.Namespace
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return hashedContainer{}, &services.Error{Service: Name, Op: h.op, Kind: services.NotFound,
			Message: fmt.Sprintf("there is no %s %s in %s, and none is made here", what, name, h.place.Region),
			Next:    "check the " + what + "'s name in the catalog, or create it at https://console.scaleway.com/containers"}
	}
	return hashedContainer{}, &services.Error{Service: Name, Op: h.op, Kind: services.Rejected,
		Message: fmt.Sprintf("%d %ss have the name %s", len(found), what, name), Next: "name the one's namespace in the catalog, by its id"}
}
