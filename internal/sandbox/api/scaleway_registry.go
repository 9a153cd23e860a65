package api

import (
	"net/http"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

const (
	registryBase   = "/registry/v1/regions/{region}"
	registryAccess = "ContainerRegistryFullAccess"
)

// registries serves the registry's management; the docker API is registry.go.
func (f scaleway) registries() {
	n, i := registryBase+"/namespaces", registryBase+"/images"
	f.handle("GET "+n, registryAccess, "namespace", f.listRegistries)
	f.handle("POST "+n, registryAccess, "namespace", f.createRegistry)
	f.handle("GET "+n+"/{namespace}", registryAccess, "namespace", f.getRegistry)
	f.handle("PATCH "+n+"/{namespace}", registryAccess, "namespace", f.updateRegistry)
	f.handle("DELETE "+n+"/{namespace}", registryAccess, "namespace", f.deleteRegistry)
	f.handle("GET "+i, registryAccess, "image", f.listImages)
	f.handle("GET "+i+"/{image}", registryAccess, "image", f.getImage)
	f.handle("GET "+i+"/{image}/tags", registryAccess, "image", f.listTags)
}

func registryView(s *world.State, n *world.RegistryNamespace) map[string]any {
	images := 0
	for _, i := range s.Images {
		if i.NamespaceID == n.ID {
			images++
		}
	}
	return map[string]any{"id": n.ID, "name": n.Name, "description": n.Description, "organization_id": s.Scaleway.ID,
		"project_id": s.Scaleway.ProjectID, "status": "ready", "status_message": "",
		"endpoint": "rg." + n.Region + ".scw.cloud/" + n.Name, "is_public": n.Public, "size": 0,
		"created_at": n.CreatedAt, "updated_at": n.UpdatedAt, "image_count": images, "region": n.Region}
}

func registryOf(c *call, s *world.State) (*world.RegistryNamespace, bool) {
	for _, n := range s.Registries {
		if n.ID == c.r.PathValue("namespace") && n.Region == c.r.PathValue("region") {
			return n, true
		}
	}
	return nil, false
}

func (f scaleway) listRegistries(c *call) reply {
	q := c.r.URL.Query()
	out := []map[string]any{}
	for _, n := range c.state.Registries {
		if n.Region == c.r.PathValue("region") && (q.Get("name") == "" || q.Get("name") == n.Name) &&
			(q.Get("project_id") == "" || q.Get("project_id") == c.state.Scaleway.ProjectID) {
			out = append(out, registryView(c.state, n))
		}
	}
	return list(c, "namespaces", out)
}

func (f scaleway) getRegistry(c *call) reply {
	n, found := registryOf(c, c.state)
	if !found {
		return notFound("namespace", c.r.PathValue("namespace"))
	}
	return ok(registryView(c.state, n))
}

type registryOrder struct {
	Name        string  `json:"name"`
	Description *string `json:"description"`
	Public      *bool   `json:"is_public"`
	ProjectID   *string `json:"project_id"`
}

func (o registryOrder) apply(n *world.RegistryNamespace) {
	if o.Description != nil {
		n.Description = *o.Description
	}
	if o.Public != nil {
		n.Public = *o.Public
	}
}

func (f scaleway) createRegistry(c *call) reply {
	var o registryOrder
	if err := c.decode(&o); err != nil || o.Name == "" {
		return badArgument("name", "required", "")
	}
	if o.ProjectID != nil && *o.ProjectID != "" && *o.ProjectID != c.state.Scaleway.ProjectID {
		return notFound("project", *o.ProjectID)
	}
	var shown map[string]any
	err := c.world.Update(func(s *world.State) error {
		if slices.ContainsFunc(s.Registries, func(n *world.RegistryNamespace) bool { return n.Name == o.Name }) {
			return errTaken
		}
		now := s.Now()
		n := &world.RegistryNamespace{ID: world.NewUUID(), Name: o.Name, Region: c.r.PathValue("region"),
			CreatedAt: now, UpdatedAt: now}
		o.apply(n)
		s.Registries = append(s.Registries, n)
		shown = registryView(s, n)
		return nil
	})
	return f.outcome(err, "namespace", "", shown)
}

func (f scaleway) updateRegistry(c *call) reply {
	var o registryOrder
	if err := c.decode(&o); err != nil {
		return badArgument("body", "constraint", "the body is not JSON of the right form")
	}
	var shown map[string]any
	err := c.world.Update(func(s *world.State) error {
		n, found := registryOf(c, s)
		if !found {
			return errNotThere
		}
		o.apply(n)
		n.UpdatedAt = s.Now()
		shown = registryView(s, n)
		return nil
	})
	return f.outcome(err, "namespace", c.r.PathValue("namespace"), shown)
}

func (f scaleway) deleteRegistry(c *call) reply {
	var shown map[string]any
	err := c.world.Update(func(s *world.State) error {
		n, found := registryOf(c, s)
		if !found {
			return errNotThere
		}
		shown = registryView(s, n)
		shown["status"] = "deleting"
		s.Registries = slices.DeleteFunc(s.Registries, func(o *world.RegistryNamespace) bool { return o.ID == n.ID })
		s.Images = slices.DeleteFunc(s.Images, func(i *world.Image) bool { return i.NamespaceID == n.ID })
		return nil
	})
	return f.outcome(err, "namespace", c.r.PathValue("namespace"), shown)
}

func imageView(i *world.Image) map[string]any {
	tags := []string{}
	for _, t := range i.Tags {
		tags = append(tags, t.Name)
	}
	return map[string]any{"id": i.ID, "name": i.Name, "namespace_id": i.NamespaceID, "status": "ready",
		"status_message": nil, "visibility": i.Visibility, "size": 0, "created_at": i.CreatedAt,
		"updated_at": i.CreatedAt, "tags": tags}
}

func (f scaleway) listImages(c *call) reply {
	q := c.r.URL.Query()
	out := []map[string]any{}
	for _, i := range c.state.Images {
		if f.imageIn(c, i) && (q.Get("namespace_id") == "" || q.Get("namespace_id") == i.NamespaceID) &&
			(q.Get("name") == "" || q.Get("name") == i.Name) {
			out = append(out, imageView(i))
		}
	}
	return list(c, "images", out)
}

func (f scaleway) imageIn(c *call, i *world.Image) bool {
	for _, n := range c.state.Registries {
		if n.ID == i.NamespaceID {
			return n.Region == c.r.PathValue("region")
		}
	}
	return false
}

func (f scaleway) withImage(c *call, h func(i *world.Image) reply) reply {
	for _, i := range c.state.Images {
		if i.ID == c.r.PathValue("image") && f.imageIn(c, i) {
			return h(i)
		}
	}
	return notFound("image", c.r.PathValue("image"))
}

func (f scaleway) getImage(c *call) reply {
	return f.withImage(c, func(i *world.Image) reply { return reply{status: http.StatusOK, body: imageView(i)} })
}

func (f scaleway) listTags(c *call) reply {
	return f.withImage(c, func(i *world.Image) reply {
		out := []map[string]any{}
		for _, t := range i.Tags {
			out = append(out, map[string]any{"id": t.ID, "name": t.Name, "image_id": i.ID, "status": "ready",
				"digest": t.Digest, "created_at": t.CreatedAt, "updated_at": t.CreatedAt})
		}
		return list(c, "tags", out)
	})
}
