package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

const (
	keysBase   = "/iam/v1alpha1/api-keys"
	iamManager = "IAMManager"
)

func (f scaleway) keys() {
	// A key may always be read by itself.
	f.handle("GET "+keysBase+"/{key}", "", "apikey", f.getKey)
	f.handle("GET "+keysBase, iamManager, "apikey", f.listKeys)
	f.handle("POST "+keysBase, iamManager, "apikey", f.createKey)
	f.handle("PATCH "+keysBase+"/{key}", iamManager, "apikey", f.updateKey)
	f.handle("DELETE "+keysBase+"/{key}", iamManager, "apikey", f.deleteKey)
	f.handle("GET /iam/v1alpha1/applications", iamManager, "application", f.listApplications)
	f.handle("GET /iam/v1alpha1/applications/{application}", iamManager, "application", f.getApplication)
}

// keyView shows a key by its access key; the secret only where it is new.
func keyView(c *world.Credential) map[string]any {
	return map[string]any{"access_key": c.Value, "secret_key": nil, "application_id": c.Owner,
		"description": c.Description, "created_at": c.IssuedAt, "updated_at": c.IssuedAt, "expires_at": c.Expires,
		"default_project_id": c.Account, "editable": true, "deletable": true, "managed": false,
		"creation_ip": "203.0.113.7"}
}

// accessKeys lists the keys that are not deleted, newest first.
func accessKeys(s *world.State) []*world.Credential {
	var out []*world.Credential
	for _, c := range slices.Backward(s.Credentials) {
		if c.Service == world.Scaleway && c.Entry == "access-key" && c.Revoked == nil {
			out = append(out, c)
		}
	}
	return out
}

func findKey(s *world.State, access string) (*world.Credential, bool) {
	for _, c := range accessKeys(s) {
		if c.Value == access {
			return c, true
		}
	}
	return nil, false
}

// noKey does not repeat the access key: the client sent it and knows it.
func noKey() reply { return notFound("apikey", "") }

func (f scaleway) getKey(c *call) reply {
	k, found := findKey(c.state, c.r.PathValue("key"))
	own := found && k.Group == c.cred.Group
	if !own && !c.cred.May(iamManager) {
		return scalewayFail(http.StatusForbidden, scalewayError{Type: "permissions_denied",
			Message: "insufficient permissions", Details: []scalewayDetail{{Resource: "apikey", Action: "read"}}})
	}
	if !found {
		return noKey()
	}
	return ok(keyView(k))
}

func (f scaleway) listKeys(c *call) reply {
	q := c.r.URL.Query()
	wanted := q["access_keys"]
	out := []map[string]any{}
	keys := accessKeys(c.state)
	if q.Get("order_by") != "created_at_desc" {
		slices.Reverse(keys)
	}
	for _, k := range keys {
		expired := k.Standing(c.now) == world.Expired
		switch {
		case q.Get("organization_id") != "" && q.Get("organization_id") != c.state.Scaleway.ID,
			q.Get("bearer_id") != "" && q.Get("bearer_id") != k.Owner,
			q.Get("bearer_type") == "user",
			q.Get("description") != "" && !strings.Contains(k.Description, q.Get("description")),
			q.Get("access_key") != "" && q.Get("access_key") != k.Value,
			len(wanted) > 0 && !slices.Contains(wanted, k.Value),
			q.Get("expired") == "true" && !expired,
			q.Get("expired") == "false" && expired:
			continue
		}
		out = append(out, keyView(k))
	}
	return list(c, "api_keys", out)
}

type keyOrder struct {
	ApplicationID    *string    `json:"application_id"`
	UserID           *string    `json:"user_id"`
	ExpiresAt        *time.Time `json:"expires_at"`
	DefaultProjectID *string    `json:"default_project_id"`
	Description      *string    `json:"description"`
}

func (o keyOrder) description() string {
	if o.Description == nil {
		return ""
	}
	return *o.Description
}

func (f scaleway) createKey(c *call) reply {
	var o keyOrder
	if err := c.decode(&o); err != nil {
		return badArgument("body", "constraint", "the body is not JSON of the right form")
	}
	switch {
	case (o.ApplicationID == nil) == (o.UserID == nil):
		return badArgument("bearer", "required", "exactly one of application_id and user_id is needed")
	case o.ApplicationID == nil || *o.ApplicationID != c.state.Scaleway.ApplicationID:
		return notFound("application", "")
	case o.DefaultProjectID != nil && *o.DefaultProjectID != "" && *o.DefaultProjectID != c.state.Scaleway.ProjectID:
		return notFound("project", *o.DefaultProjectID)
	case len(o.description()) > 200:
		return badArgument("description", "constraint", "at most 200 characters")
	}
	var view map[string]any
	err := c.world.Update(func(s *world.State) error {
		made, err := s.Issue(world.Order{Service: world.Scaleway, Description: o.description(), Expires: o.ExpiresAt})
		if err != nil {
			return err
		}
		for _, k := range made {
			// A key without a description has none; it does not inherit one.
			k.Description = o.description()
		}
		view = keyView(made[0])
		view["secret_key"] = made[1].Value
		return nil
	})
	if err != nil {
		return updateFailed()
	}
	return ok(view)
}

// changeKey runs f on both halves of the key of the path.
func (f scaleway) changeKey(c *call, change func(s *world.State, half *world.Credential)) (map[string]any, *reply) {
	var view map[string]any
	err := c.world.Update(func(s *world.State) error {
		k, found := findKey(s, c.r.PathValue("key"))
		if !found {
			return nil
		}
		change(s, k)
		if secret, paired := s.Partner(k, "api-secret"); paired {
			change(s, secret)
		}
		view = keyView(k)
		return nil
	})
	if err != nil {
		r := updateFailed()
		return nil, &r
	}
	if view == nil {
		r := noKey()
		return nil, &r
	}
	return view, nil
}

func (f scaleway) updateKey(c *call) reply {
	var o keyOrder
	if err := c.decode(&o); err != nil {
		return badArgument("body", "constraint", "the body is not JSON of the right form")
	}
	view, bad := f.changeKey(c, func(_ *world.State, k *world.Credential) {
		if o.Description != nil {
			k.Description = *o.Description
		}
		if o.ExpiresAt != nil {
			k.Expires = o.ExpiresAt
		}
	})
	if bad != nil {
		return *bad
	}
	return ok(view)
}

func (f scaleway) deleteKey(c *call) reply {
	_, bad := f.changeKey(c, func(s *world.State, k *world.Credential) { s.Revoke(k.ID) })
	if bad != nil {
		return *bad
	}
	return reply{status: http.StatusNoContent}
}

func applicationView(c *call) map[string]any {
	o := c.state.Scaleway
	return map[string]any{"id": o.ApplicationID, "name": "infrastructure", "description": "", "organization_id": o.ID,
		"created_at": o.CreatedAt, "updated_at": o.CreatedAt, "editable": true, "deletable": true, "managed": false,
		"nb_api_keys": len(accessKeys(c.state)), "tags": []string{}}
}

func (f scaleway) listApplications(c *call) reply {
	return list(c, "applications", []map[string]any{applicationView(c)})
}

func (f scaleway) getApplication(c *call) reply {
	if c.r.PathValue("application") != c.state.Scaleway.ApplicationID {
		return notFound("application", c.r.PathValue("application"))
	}
	return ok(applicationView(c))
}
