package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// namespaceView shows a container namespace in the words of one version.
type namespaceView func(s *world.State, n *world.ContainerNamespace) map[string]any

func namespaceV1(s *world.State, n *world.ContainerNamespace) map[string]any {
	return map[string]any{"id": n.ID, "name": n.Name, "organization_id": s.Scaleway.ID, "project_id": s.Scaleway.ProjectID,
		"description": n.Description, "status": n.Status(s.Now()), "error_message": nil, "tags": n.Tags,
		"environment_variables": n.Environment, "secret_environment_variables": n.Hashes,
		"created_at": n.CreatedAt, "updated_at": n.UpdatedAt, "region": n.Region}
}

func namespaceBeta(s *world.State, n *world.ContainerNamespace) map[string]any {
	view := namespaceV1(s, n)
	view["status"] = betaStatus(n.Status(s.Now()))
	view["secret_environment_variables"] = hashedList(n.Hashes)
	view["registry_namespace_id"], view["registry_endpoint"] = "", ""
	return view
}

func namespaceOf(c *call, s *world.State) (*world.ContainerNamespace, bool) {
	n, found := s.Namespace(c.r.PathValue("namespace"))
	return n, found && n.Region == c.r.PathValue("region")
}

func (f scaleway) listNamespaces(view namespaceView) endpoint {
	return func(c *call) reply {
		q := c.r.URL.Query()
		out := []map[string]any{}
		for _, n := range c.state.Namespaces {
			if n.Region == c.r.PathValue("region") && (q.Get("name") == "" || q.Get("name") == n.Name) &&
				(q.Get("project_id") == "" || q.Get("project_id") == c.state.Scaleway.ProjectID) {
				out = append(out, view(c.state, n))
			}
		}
		return list(c, "namespaces", out)
	}
}

func (f scaleway) getNamespace(view namespaceView) endpoint {
	return func(c *call) reply {
		n, found := namespaceOf(c, c.state)
		if !found {
			return notFound("namespace", c.r.PathValue("namespace"))
		}
		return ok(view(c.state, n))
	}
}

// namespaceOrder is the body of a v1 create or update.
type namespaceOrder struct {
	Name        string            `json:"name"`
	ProjectID   string            `json:"project_id"`
	Description *string           `json:"description"`
	Tags        []string          `json:"tags"`
	Environment map[string]string `json:"environment_variables"`
	Secrets     map[string]string `json:"secret_environment_variables"`
	hashes      map[string]string
}

func (o *namespaceOrder) parse(c *call) *reply {
	if json.Unmarshal(c.body, o) != nil {
		r := badArgument("body", "constraint", "the body is not JSON of the right form")
		return &r
	}
	if bad := checkEnvironment(o.Environment, o.Secrets); bad != nil {
		return bad
	}
	var err error
	if o.hashes, err = world.HashSecrets(o.Secrets); err != nil {
		r := updateFailed()
		return &r
	}
	return nil
}

// apply sets what is the same in both versions.
func (o *namespaceOrder) apply(n *world.ContainerNamespace) {
	if o.Description != nil {
		n.Description = *o.Description
	}
	if o.Tags != nil {
		n.Tags = o.Tags
	}
	if o.Environment != nil {
		n.Environment = o.Environment
	}
}

func (f scaleway) createNamespace(c *call) reply {
	var o namespaceOrder
	if bad := o.parse(c); bad != nil {
		return *bad
	}
	return f.newNamespace(c, namespaceV1, o)
}

func (f scaleway) createNamespaceBeta(c *call) reply {
	var b betaOrder
	var o namespaceOrder
	if bad := b.parse(c); bad != nil {
		return *bad
	}
	_ = json.Unmarshal(c.body, &struct {
		ProjectID *string `json:"project_id"`
	}{&o.ProjectID})
	o.Name, o.Description, o.Tags, o.Environment = b.Name, b.Description, b.Tags, b.Environment
	o.Secrets, o.hashes = b.values(), b.hashes
	return f.newNamespace(c, namespaceBeta, o)
}

func (f scaleway) newNamespace(c *call, view namespaceView, o namespaceOrder) reply {
	if o.Name == "" {
		return badArgument("name", "required", "")
	}
	if o.ProjectID != "" && o.ProjectID != c.state.Scaleway.ProjectID {
		return notFound("project", o.ProjectID)
	}
	var shown map[string]any
	err := c.world.Update(func(s *world.State) error {
		region := c.r.PathValue("region")
		if slices.ContainsFunc(s.Namespaces, func(n *world.ContainerNamespace) bool {
			return n.Name == o.Name && n.Region == region
		}) {
			return errTaken
		}
		n := s.NewNamespace(o.Name, region)
		o.apply(n)
		if o.Secrets != nil {
			n.Secrets, n.Hashes = o.Secrets, o.hashes
		}
		shown = view(s, n)
		return nil
	})
	return f.outcome(err, "namespace", "", shown)
}

func (f scaleway) changeNamespace(c *call, view namespaceView, change func(n *world.ContainerNamespace)) reply {
	var shown map[string]any
	err := c.world.Update(func(s *world.State) error {
		n, found := namespaceOf(c, s)
		if !found {
			return errNotThere
		}
		change(n)
		s.RollOutNamespace(n)
		shown = view(s, n)
		return nil
	})
	return f.outcome(err, "namespace", c.r.PathValue("namespace"), shown)
}

func (f scaleway) updateNamespace(c *call) reply {
	var o namespaceOrder
	if bad := o.parse(c); bad != nil {
		return *bad
	}
	return f.changeNamespace(c, namespaceV1, func(n *world.ContainerNamespace) {
		o.apply(n)
		if o.Secrets != nil {
			n.Secrets, n.Hashes = replaceSecrets(n.Secrets, n.Hashes, o.Secrets, o.hashes)
		}
	})
}

func (f scaleway) updateNamespaceBeta(c *call) reply {
	var b betaOrder
	if bad := b.parse(c); bad != nil {
		return *bad
	}
	return f.changeNamespace(c, namespaceBeta, func(n *world.ContainerNamespace) {
		o := namespaceOrder{Description: b.Description, Tags: b.Tags, Environment: b.Environment}
		o.apply(n)
		b.merge(n.Secrets, n.Hashes)
	})
}

// deleteNamespace refuses a namespace that still has containers.
func (f scaleway) deleteNamespace(view namespaceView) endpoint {
	return func(c *call) reply {
		errFull := errors.New("namespace not empty")
		var shown map[string]any
		err := c.world.Update(func(s *world.State) error {
			n, found := namespaceOf(c, s)
			if !found {
				return errNotThere
			}
			if slices.ContainsFunc(s.Containers, func(k *world.Container) bool { return k.NamespaceID == n.ID }) {
				return errFull
			}
			shown = view(s, n)
			shown["status"] = "deleting"
			s.Namespaces = slices.DeleteFunc(s.Namespaces, func(o *world.ContainerNamespace) bool { return o.ID == n.ID })
			return nil
		})
		if errors.Is(err, errFull) {
			return scalewayFail(http.StatusPreconditionFailed, scalewayError{Type: "precondition_failed",
				Message: "precondition failed", Precondition: "resource_still_in_use", Help: "the namespace has containers"})
		}
		return f.outcome(err, "namespace", c.r.PathValue("namespace"), shown)
	}
}
