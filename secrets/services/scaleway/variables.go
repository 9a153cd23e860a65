package scaleway

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/scaleway/scaleway-sdk-go/scw"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

const (
	// defaultPatience is how long a deployment may take. Scaleway's own tools
	// wait as long.
	defaultPatience = 15 * time.Minute
	// The first and the longest time between two looks at a deployment.
	firstLook = 50 * time.Millisecond
	lastLook  = 5 * time.Second
)

// Variables lists the names of the secret variables, sorted. Those that a
// container has of its namespace are not among them.
func (c *Client) Variables(ctx context.Context, cred services.Credential, p Place) ([]string, error) {
	h, err := c.find(ctx, cred, "listing the secret variables of "+p.String(), p)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(h.found.Secrets)), nil
}

// Deployable returns an error that says why a change of the secret variables could
// not be deployed now, or would not prove anything: the container is missing, is
// being changed, or its last deployment failed.
func (c *Client) Deployable(ctx context.Context, cred services.Credential, p Place) error {
	h, err := c.find(ctx, cred, "looking at "+p.String(), p)
	if err != nil {
		return err
	}
	if h.transient() {
		return h.fault("it is being changed (status " + services.Printable(h.found.Status) + ")")
	}
	return h.sound(ctx, false)
}

// SetVariables sets secret variables in one request, keeps all others, and
// returns once the container, or every container of the namespace, serves with
// them. Nothing is ever made or removed. The same call may be repeated.
func (c *Client) SetVariables(ctx context.Context, cred services.Credential, p Place, set map[string]secrets.Value) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience())
	defer cancel()
	h, err := c.find(ctx, cred, "writing the secret variables of "+p.String(), p)
	if err != nil {
		return err
	}
	done, err := c.alone(ctx, h)
	if err != nil {
		return err
	}
	defer done()
	// What was found may be somebody's deployment that is under way, or have
	// waited for our own: Scaleway refuses changes meanwhile, and names that are
	// not named would be dropped.
	if err := h.settle(ctx, &h.found, h.path); err != nil {
		return err
	}
	before := maps.Clone(h.found.Secrets)
	req := &scw.ScalewayRequest{Method: http.MethodPatch, Path: h.path}
	if err := req.SetBody(map[string]any{"secret_environment_variables": h.body(set)}); err != nil {
		return h.fault("the request could not be encoded")
	}
	if err := h.change(ctx, req, &h.found, &h.found, h.path); err != nil {
		return err
	}
	if err := h.sound(ctx, true); err != nil {
		return err
	}
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(set))) {
		if _, there := h.found.Secrets[name]; !there {
			return h.fault("after the change it does not list " + services.Printable(name) + " any more")
		}
	}
	return nil
}

// change sends a request that changes what is found at path. Somebody else's
// deployment may have begun since it was looked at: it is waited for, and the
// request sent again, for as long as a deployment may take.
func (h *holder) change(ctx context.Context, req *scw.ScalewayRequest, answer any, found *hashedContainer, path string) error {
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		err := h.client.Do(req, answer, scw.WithContext(ctx))
		if err == nil {
			return nil
		}
		if fault := services.Fault(Name, h.op, err); fault.Code != codeTransient {
			return fault
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return h.fault(found.Name + " was being changed all the time")
		}
		if err := h.settle(ctx, found, path); err != nil {
			return err
		}
	}
}

func (c *Client) patience() time.Duration {
	if c.config.Patience > 0 {
		return c.config.Patience
	}
	return defaultPatience
}

// alone keeps changes in one namespace apart: a change of either deploys its
// containers, and Scaleway refuses another one meanwhile.
func (c *Client) alone(ctx context.Context, h *holder) (done func(), err error) {
	namespace := h.found.Namespace
	if h.place.Name == "" {
		namespace = h.found.ID
	}
	slot, _ := c.writing.LoadOrStore(namespace, make(chan struct{}, 1))
	select {
	case slot.(chan struct{}) <- struct{}{}:
		return func() { <-slot.(chan struct{}) }, nil
	case <-ctx.Done():
		return nil, services.Fault(Name, h.op, ctx.Err())
	}
}

// body is the request's set. The API v1 drops what is not named, and takes an
// empty text for "as it is"; v1beta1 keeps what is not named.
func (h *holder) body(set map[string]secrets.Value) any {
	if h.listed {
		list := []map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(set)) {
			list = append(list, map[string]string{"key": name, "value": string(set[name].Reveal())})
		}
		return list
	}
	all := map[string]string{}
	for name := range h.found.Secrets {
		all[name] = ""
	}
	for name, v := range set {
		all[name] = string(v.Reveal())
	}
	return all
}

// transient says that a deployment is under way, in the words of both versions.
func (h *holder) transient() bool { return underWay(h.found.Status) }

func underWay(status string) bool {
	return !slices.Contains([]string{"ready", "error", "locked", "created"}, status)
}

// settle looks until no deployment is under way. A status that is not known
// counts as one: it is waited for, and then an error.
func (h *holder) settle(ctx context.Context, found *hashedContainer, path string) error {
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		var now hashedContainer
		if err := h.client.Do(&scw.ScalewayRequest{Method: http.MethodGet, Path: path}, &now, scw.WithContext(ctx)); err != nil && ctx.Err() == nil {
			return services.Fault(Name, h.op, err)
		} else if err == nil {
			*found = now
			if !underWay(now.Status) {
				return nil
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return h.fault(found.Name + " did not become ready (status " + services.Printable(found.Status) + ")")
		}
	}
}

// sound returns an error unless the holder, and every container of a namespace,
// serves what it was given; wait says to wait out deployments first, and to ask
// for those that a change of the namespace did not bring about by itself.
func (h *holder) sound(ctx context.Context, wait bool) error {
	if wait {
		if err := h.settle(ctx, &h.found, h.path); err != nil {
			return err
		}
	}
	if err := h.serves("it", h.found); err != nil || h.place.Name != "" {
		return err
	}
	list, err := h.members(ctx)
	if err != nil {
		return err
	}
	for _, k := range list {
		path := h.base + "/containers/" + url.PathEscape(k.ID)
		if wait {
			if err := h.deployed(ctx, &k, path); err != nil {
				return err
			}
		}
		if err := h.serves("its container "+services.Printable(k.Name), k); err != nil {
			return err
		}
	}
	return nil
}

// deployed waits until the container was deployed after the namespace's change.
func (h *holder) deployed(ctx context.Context, k *hashedContainer, path string) error {
	if err := h.settle(ctx, k, path); err != nil {
		return err
	}
	if k.Status == "created" || !k.Updated.Before(h.found.Updated) {
		return nil
	}
	verb := "/redeploy"
	if h.listed {
		verb = "/deploy"
	}
	req := &scw.ScalewayRequest{Method: http.MethodPost, Path: path + verb}
	if err := req.SetBody(map[string]any{}); err != nil {
		return h.fault("the request could not be encoded")
	}
	if err := h.change(ctx, req, nil, k, path); err != nil {
		return err
	}
	return h.settle(ctx, k, path)
}

// members are the containers of a namespace.
func (h *holder) members(ctx context.Context) ([]hashedContainer, error) {
	list, err := h.list(ctx, "/containers", url.Values{"namespace_id": {h.found.ID}})
	if err != nil {
		return nil, services.Fault(Name, h.op, err)
	}
	return slices.DeleteFunc(list.Containers, func(k hashedContainer) bool { return k.Namespace != h.found.ID }), nil
}

// behind completes the hashes of a namespace with what keeps its containers from
// running with them.
func (h *holder) behind(ctx context.Context, out *Hashed) error {
	list, err := h.members(ctx)
	if err != nil {
		return err
	}
	for _, k := range list {
		name := "its container " + services.Printable(k.Name)
		switch unfit := k.hashed().Unfit; {
		case k.Status == "created":
			// Made and never deployed: nothing runs.
		case unfit != "":
			out.Unfit = name + ": " + unfit
		case k.Updated.Before(h.found.Updated):
			out.Unfit = name + " was not deployed since the namespace was changed"
		}
		for variable := range k.Secrets {
			if out.Shadowed == nil {
				out.Shadowed = map[string]string{}
			}
			out.Shadowed[variable] = name + " has a " + services.Printable(variable) + " of its own"
		}
	}
	return nil
}

// serves returns an error unless the last deployment went well.
func (h *holder) serves(what string, k hashedContainer) error {
	failed := k.Error != nil && *k.Error != ""
	switch {
	case k.Status == "created" && h.place.Name == "" && k.ID != h.found.ID:
		return nil // made and never deployed
	case failed:
		return h.fault(fmt.Sprintf("%s is in error (status %s): %s", what, services.Printable(k.Status), services.Printable(*k.Error)))
	case k.Status != "ready":
		return h.fault(what + " is not ready (status " + services.Printable(k.Status) + ")")
	}
	return nil
}

func (h *holder) fault(message string) error {
	return &services.Error{Service: Name, Op: h.op, Kind: services.Rejected, Message: message,
		Next: "look at it at https://console.scaleway.com/containers and have it deployed; then the same command again"}
}
