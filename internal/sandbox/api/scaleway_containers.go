package api

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

const (
	containersV1      = "/containers/v1/regions/{region}"
	containersBeta    = "/containers/v1beta1/regions/{region}"
	containersAccess  = "ContainersFullAccess"
	maxContainerValue = 1000
	maxContainerKey   = 100
)

func (f scaleway) containersV1() {
	c, n := containersV1+"/containers", containersV1+"/namespaces"
	f.handle("GET "+c, containersAccess, "container", f.listContainers(containerV1))
	f.handle("POST "+c, containersAccess, "container", f.createContainer)
	f.handle("GET "+c+"/{container}", containersAccess, "container", f.getContainer(containerV1))
	f.handle("PATCH "+c+"/{container}", containersAccess, "container", f.updateContainer)
	f.handle("DELETE "+c+"/{container}", containersAccess, "container", f.deleteContainer(containerV1))
	f.handle("POST "+c+"/{container}/redeploy", containersAccess, "container", f.redeploy(containerV1))
	f.handle("GET "+n, containersAccess, "namespace", f.listNamespaces(namespaceV1))
	f.handle("POST "+n, containersAccess, "namespace", f.createNamespace)
	f.handle("GET "+n+"/{namespace}", containersAccess, "namespace", f.getNamespace(namespaceV1))
	f.handle("PATCH "+n+"/{namespace}", containersAccess, "namespace", f.updateNamespace)
	f.handle("DELETE "+n+"/{namespace}", containersAccess, "namespace", f.deleteNamespace(namespaceV1))
}

// containerView shows a container in the words of one version of the API.
type containerView func(c *call, s *world.State, k *world.Container) map[string]any

// containerDefaults are Scaleway's own.
func containerDefaults() map[string]any {
	return map[string]any{"description": "", "min_scale": 0, "max_scale": 5, "memory_limit_bytes": 256000000,
		"mvcpu_limit": 140, "local_storage_limit_bytes": 1000000000, "timeout": "300s", "privacy": "public",
		"image": "", "protocol": "http1", "port": 8080, "https_connections_only": false, "sandbox": "v2",
		"scaling_option": map[string]any{"concurrent_requests_threshold": 50}, "tags": []string{},
		"command": []string{}, "args": []string{}, "private_network_id": nil}
}

func containerV1(c *call, s *world.State, k *world.Container) map[string]any {
	view := containerDefaults()
	maps.Copy(view, k.Spec)
	maps.Copy(view, map[string]any{"id": k.ID, "name": k.Name, "namespace_id": k.NamespaceID, "region": k.Region,
		"status": k.Status(s.Now()), "error_message": nil, "created_at": k.CreatedAt, "updated_at": k.UpdatedAt,
		"environment_variables": k.Environment, "secret_environment_variables": k.Hashes,
		"public_endpoint": "https://" + k.Name + "." + k.Region + ".containers.example"})
	if view["status"] == "error" {
		view["error_message"] = k.Error
	}
	return view
}

// inRegion finds the container of the path.
func inRegion(c *call, s *world.State) (*world.Container, bool) {
	for _, k := range s.Containers {
		if k.ID == c.r.PathValue("container") && k.Region == c.r.PathValue("region") {
			return k, true
		}
	}
	return nil, false
}

func (f scaleway) listContainers(view containerView) endpoint {
	return func(c *call) reply {
		q := c.r.URL.Query()
		out := []map[string]any{}
		for _, k := range c.state.Containers {
			switch {
			case k.Region != c.r.PathValue("region"),
				q.Get("namespace_id") != "" && q.Get("namespace_id") != k.NamespaceID,
				q.Get("name") != "" && q.Get("name") != k.Name,
				q.Get("project_id") != "" && q.Get("project_id") != c.state.Scaleway.ProjectID,
				q.Get("organization_id") != "" && q.Get("organization_id") != c.state.Scaleway.ID:
				continue
			}
			out = append(out, view(c, c.state, k))
		}
		return list(c, "containers", out)
	}
}

func (f scaleway) getContainer(view containerView) endpoint {
	return func(c *call) reply {
		k, found := inRegion(c, c.state)
		if !found {
			return notFound("container", c.r.PathValue("container"))
		}
		return ok(view(c, c.state, k))
	}
}

// containerOrder is the body of a v1 create or update. Pointers and nil maps
// tell "left out" from "emptied".
type containerOrder struct {
	NamespaceID string            `json:"namespace_id"`
	Name        string            `json:"name"`
	Environment map[string]string `json:"environment_variables"`
	Secrets     map[string]string `json:"secret_environment_variables"`
	spec        map[string]any
}

func (o *containerOrder) parse(c *call) *reply {
	var raw map[string]any
	if json.Unmarshal(c.body, o) != nil || json.Unmarshal(c.body, &raw) != nil {
		r := badArgument("body", "constraint", "the body is not JSON of the right form")
		return &r
	}
	o.spec = specOf(raw)
	return checkEnvironment(o.Environment, o.Secrets)
}

// specOf keeps the members that the sandbox stores as they are. The update's
// name for https differs from the create's by a letter.
func specOf(raw map[string]any) map[string]any {
	spec := map[string]any{}
	known := containerDefaults()
	known["liveness_probe"], known["startup_probe"] = nil, nil
	for name, v := range raw {
		if name == "https_connection_only" {
			name = "https_connections_only"
		}
		if _, stored := known[name]; stored && v != nil {
			spec[name] = v
		}
	}
	return spec
}

func checkEnvironment(sets ...map[string]string) *reply {
	for _, set := range sets {
		for key, value := range set {
			if len(key) > maxContainerKey {
				r := badArgument("environment_variables", "constraint", "a key has at most 100 characters")
				return &r
			}
			if len(value) > maxContainerValue {
				r := badArgument("environment_variables."+key, "constraint", "a value has at most 1000 characters")
				return &r
			}
		}
	}
	return nil
}

var (
	errNotThere = errors.New("not found")
	errTaken    = errors.New("name taken")
)

func (f scaleway) createContainer(c *call) reply {
	var o containerOrder
	if bad := o.parse(c); bad != nil {
		return *bad
	}
	hashes, err := world.HashSecrets(o.Secrets)
	if err != nil {
		return updateFailed()
	}
	return f.newContainer(c, containerV1, o, hashes, true)
}

// newContainer is create for both versions of the API.
func (f scaleway) newContainer(c *call, view containerView, o containerOrder, hashes map[string]string, rollOut bool) reply {
	if o.Name == "" {
		return badArgument("name", "required", "")
	}
	var shown map[string]any
	err := c.world.Update(func(s *world.State) error {
		n, found := s.Namespace(o.NamespaceID)
		if !found {
			return errNotThere
		}
		for _, k := range s.Containers {
			if k.NamespaceID == n.ID && k.Name == o.Name {
				return errTaken
			}
		}
		k := s.NewContainer(n, o.Name)
		maps.Copy(k.Spec, o.spec)
		maps.Copy(k.Environment, o.Environment)
		maps.Copy(k.Secrets, o.Secrets)
		maps.Copy(k.Hashes, hashes)
		if rollOut {
			s.RollOut(k)
		}
		shown = view(c, s, k)
		return nil
	})
	return f.outcome(err, "namespace", o.NamespaceID, shown)
}

// outcome turns the error of an Update into a reply.
func (f scaleway) outcome(err error, resource, id string, shown map[string]any) reply {
	switch {
	case errors.Is(err, errNotThere):
		return notFound(resource, id)
	case errors.Is(err, errTaken):
		return scalewayFail(http.StatusConflict, scalewayError{Type: "precondition_failed", Message: "resource already exists",
			Precondition: "unknown_precondition", Help: "a resource of that name already exists"})
	case err != nil:
		return updateFailed()
	}
	return ok(shown)
}

// changeContainer runs change on the container of the path.
func (f scaleway) changeContainer(c *call, view containerView, change func(s *world.State, k *world.Container)) reply {
	var shown map[string]any
	err := c.world.Update(func(s *world.State) error {
		k, found := inRegion(c, s)
		if !found {
			return errNotThere
		}
		change(s, k)
		shown = view(c, s, k)
		return nil
	})
	return f.outcome(err, "container", c.r.PathValue("container"), shown)
}

// updateContainer is v1's PATCH, with its trap: where secrets are named at all,
// those not named are deleted, and an empty string keeps the value.
func (f scaleway) updateContainer(c *call) reply {
	var o containerOrder
	if bad := o.parse(c); bad != nil {
		return *bad
	}
	hashes, err := world.HashSecrets(o.Secrets)
	if err != nil {
		return updateFailed()
	}
	return f.changeContainer(c, containerV1, func(s *world.State, k *world.Container) {
		maps.Copy(k.Spec, o.spec)
		if o.Environment != nil {
			k.Environment = o.Environment
		}
		if o.Secrets != nil {
			k.Secrets, k.Hashes = replaceSecrets(k.Secrets, k.Hashes, o.Secrets, hashes)
		}
		s.RollOut(k)
	})
}

// replaceSecrets is v1's rule: the request's set is the new set, and an empty
// string stands for the value that is there.
func replaceSecrets(old, oldHashes, wanted, hashes map[string]string) (values, hashed map[string]string) {
	values, hashed = map[string]string{}, map[string]string{}
	for name, v := range wanted {
		if v != "" {
			values[name], hashed[name] = v, hashes[name]
			continue
		}
		if kept, had := old[name]; had {
			values[name], hashed[name] = kept, oldHashes[name]
		}
	}
	return values, hashed
}

func (f scaleway) deleteContainer(view containerView) endpoint {
	return func(c *call) reply {
		var shown map[string]any
		err := c.world.Update(func(s *world.State) error {
			k, found := inRegion(c, s)
			if !found {
				return errNotThere
			}
			shown = view(c, s, k)
			shown["status"] = "deleting"
			s.RemoveContainer(k.ID)
			return nil
		})
		return f.outcome(err, "container", c.r.PathValue("container"), shown)
	}
}

func (f scaleway) redeploy(view containerView) endpoint {
	return func(c *call) reply {
		return f.changeContainer(c, view, func(s *world.State, k *world.Container) { s.RollOut(k) })
	}
}
