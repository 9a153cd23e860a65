package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// door is one of the two places where tokens are kept: the user's and the
// account's. Each knows its own tokens only.
type door struct {
	cloudflare
	base, kind  string
	read, write string
	// quota is how many tokens there may be at once.
	quota int
}

func (f cloudflare) tokens() {
	for _, d := range []door{
		{f, "/user/tokens", world.KindUser, "API Tokens Read", "API Tokens Write", 50},
		{f, "/accounts/{account}/tokens", world.KindAccount, "Account API Tokens Read", "Account API Tokens Write", 500},
	} {
		d.on("GET "+cloudflareBase+d.base+"/verify", d.verify)
		d.handle("GET "+d.base, d.read, d.here(d.list))
		d.handle("POST "+d.base, d.write, d.here(d.create))
		d.handle("GET "+d.base+"/permission_groups", d.read, d.here(d.groups))
		d.handle("GET "+d.base+"/{token}", d.read, d.here(d.get))
		d.handle("PUT "+d.base+"/{token}", d.write, d.here(d.update))
		d.handle("DELETE "+d.base+"/{token}", d.write, d.here(d.delete))
		d.handle("PUT "+d.base+"/{token}/value", d.write, d.here(d.roll))
	}
}

// here refuses an account's token at the user's door.
func (d door) here(h endpoint) endpoint {
	return func(c *call) reply {
		if d.kind == world.KindUser && c.cred.Kind == world.KindAccount {
			return cloudflareFail(http.StatusForbidden, 9109, "Unauthorized to access requested resource")
		}
		return h(c)
	}
}

// verify answers the token about itself. At the wrong door a healthy token is
// as unknown as a made-up one.
func (d door) verify(c *call) reply {
	if bad := cloudflareHeader(c); bad != nil {
		return *bad
	}
	known := c.standing == world.Alive || c.standing == world.Expired || c.standing == world.Disabled
	account := c.r.PathValue("account")
	if !known || c.cred.Kind != d.kind || (account != "" && account != c.cred.Account) {
		return cloudflareFail(http.StatusUnauthorized, 1000, "Invalid API Token")
	}
	result := map[string]any{"id": c.cred.ID, "status": tokenStatus(c.cred, c.now)}
	if c.cred.Expires != nil {
		result["expires_on"] = c.cred.Expires
	}
	answer := envelope{Result: result, Success: true, Errors: []cloudflareError{}, Messages: []cloudflareError{}}
	if c.standing == world.Alive {
		answer.Messages = append(answer.Messages,
			cloudflareError{Code: 10000, Message: "This API Token is valid and active"})
	}
	return ok(answer)
}

func tokenStatus(c world.Credential, now time.Time) string {
	if st := c.Standing(now); st == world.Expired || st == world.Disabled {
		return string(st)
	}
	return "active"
}

func (d door) groups(c *call) reply {
	out := []permissionGroup{}
	for _, g := range permissionGroups() {
		if name := c.r.URL.Query().Get("name"); name == "" || name == g.Name {
			out = append(out, g)
		}
	}
	return success(out)
}

type tokenOrder struct {
	Name      string          `json:"name"`
	Policies  []policy        `json:"policies"`
	Condition json.RawMessage `json:"condition"`
	ExpiresOn *time.Time      `json:"expires_on"`
	NotBefore *time.Time      `json:"not_before"`
	Status    string          `json:"status"`
}

// parse checks the order and returns the names of what it allows.
func (o *tokenOrder) parse(c *call) ([]string, error) {
	if err := c.decode(o); err != nil {
		return nil, errors.New("the body is not JSON of the right form")
	}
	if o.Name == "" || len(o.Name) > 120 {
		return nil, errors.New("name must have 1 to 120 characters")
	}
	if len(o.Policies) == 0 {
		return nil, errors.New("at least one policy is needed")
	}
	if o.ExpiresOn != nil && !o.ExpiresOn.After(c.now) && o.Status == "" {
		return nil, errors.New("expires_on must be in the future")
	}
	var cond condition
	if len(o.Condition) > 0 && json.Unmarshal(o.Condition, &cond) != nil {
		return nil, errors.New("condition is not of the right form")
	}
	if err := cond.check(); err != nil {
		return nil, err
	}
	names := []string{}
	for i := range o.Policies {
		p := &o.Policies[i]
		p.ID = strings.ReplaceAll(world.NewUUID(), "-", "")
		if (p.Effect != "allow" && p.Effect != "deny") || len(p.Resources) == 0 || len(p.Groups) == 0 {
			return nil, errors.New("a policy needs effect, resources and permission_groups")
		}
		for j := range p.Groups {
			k := slices.IndexFunc(permissionGroups(), func(g permissionGroup) bool { return g.ID == p.Groups[j].ID })
			if k < 0 {
				return nil, errors.New("unknown permission group")
			}
			p.Groups[j] = permissionGroup{ID: p.Groups[j].ID, Name: permissionGroups()[k].Name}
			if p.Effect == "allow" {
				names = append(names, p.Groups[j].Name)
			}
		}
	}
	return names, nil
}

func tokenView(s *world.State, c *world.Credential) map[string]any {
	view := map[string]any{"id": c.ID, "name": c.Description, "status": tokenStatus(*c, s.Now()), "issued_on": c.IssuedAt,
		"modified_on": c.IssuedAt, "last_used_on": c.LastUsed, "expires_on": c.Expires, "not_before": c.ValidFrom,
		"policies": policiesOf(s, c)}
	if c.Modified != nil {
		view["modified_on"] = c.Modified
	}
	if len(c.Condition) > 0 {
		view["condition"] = c.Condition
	}
	return view
}

// settle gives the token what the order says beside its policies and its end.
func (o tokenOrder) settle(t *world.Credential) {
	t.ValidFrom, t.Condition = o.NotBefore, nil
	if text := string(o.Condition); text != "" && text != "null" && text != "{}" {
		t.Condition = o.Condition
	}
}

// owned lists the door's tokens that are not deleted, newest first.
func (d door) owned(s *world.State) []*world.Credential {
	var out []*world.Credential
	for _, c := range s.Credentials {
		if c.Service == world.Cloudflare && c.Kind == d.kind && c.Revoked == nil {
			out = append(out, c)
		}
	}
	slices.Reverse(out)
	return out
}

func (d door) find(s *world.State, id string) (*world.Credential, bool) {
	for _, c := range d.owned(s) {
		if c.ID == id {
			return c, true
		}
	}
	return nil, false
}

func (d door) list(c *call) reply {
	views := []map[string]any{}
	for _, t := range d.owned(c.state) {
		if c.r.URL.Query().Get("include_expired") != "false" || t.Standing(c.now) != world.Expired {
			views = append(views, tokenView(c.state, t))
		}
	}
	return page(c, views)
}

func noToken() reply {
	return cloudflareFail(http.StatusNotFound, 1003, "API Token not found")
}

func (d door) get(c *call) reply {
	t, found := d.find(c.state, c.r.PathValue("token"))
	if !found {
		return noToken()
	}
	return success(tokenView(c.state, t))
}

func (d door) create(c *call) reply {
	var o tokenOrder
	names, err := o.parse(c)
	if err != nil {
		return cloudflareFail(http.StatusBadRequest, 400, err.Error())
	}
	if group, lacking := o.beyond(c); lacking {
		return cloudflareFail(http.StatusBadRequest, 1001,
			"Failed common permission check against resources. (Permission group: \""+group+"\")")
	}
	raw, err := json.Marshal(o.Policies)
	if err != nil {
		return cloudflareFail(http.StatusBadRequest, 400, "policies cannot be kept")
	}
	var view map[string]any
	err = c.world.Update(func(s *world.State) error {
		if len(d.owned(s)) >= d.quota {
			return errors.New("the limit of tokens is reached")
		}
		made, err := s.Issue(world.Order{Service: world.Cloudflare, Kind: d.kind, Permissions: names,
			Policies: raw, Description: o.Name, Expires: o.ExpiresOn})
		if err != nil {
			return err
		}
		t := made[0]
		o.settle(t)
		view = tokenView(s, t)
		view["value"] = t.Value
		return nil
	})
	if err != nil {
		// Which code Cloudflare has for this is not documented.
		return cloudflareFail(http.StatusBadRequest, 1004, err.Error())
	}
	return success(view)
}

// change runs f on the token of the path.
func (d door) change(c *call, f func(s *world.State, t *world.Credential) any) reply {
	var result any
	errNone := errors.New("no such token")
	err := c.world.Update(func(s *world.State) error {
		t, found := d.find(s, c.r.PathValue("token"))
		if !found {
			return errNone
		}
		result = f(s, t)
		return nil
	})
	switch {
	case errors.Is(err, errNone):
		return noToken()
	case err != nil:
		return cloudflareFail(http.StatusInternalServerError, 10013, "the sandbox cannot write its world")
	}
	return success(result)
}

func (d door) update(c *call) reply {
	var o tokenOrder
	names, err := o.parse(c)
	if err != nil {
		return cloudflareFail(http.StatusBadRequest, 400, err.Error())
	}
	raw, err := json.Marshal(o.Policies)
	if err != nil {
		return cloudflareFail(http.StatusBadRequest, 400, "policies cannot be kept")
	}
	return d.change(c, func(s *world.State, t *world.Credential) any {
		t.Description, t.Policies, t.Permissions, t.Expires = o.Name, raw, names, o.ExpiresOn
		now := s.Now()
		t.Disabled, t.Modified = o.Status == "disabled", &now
		o.settle(t)
		return tokenView(s, t)
	})
}

func (d door) delete(c *call) reply {
	return d.change(c, func(s *world.State, t *world.Credential) any {
		s.Revoke(t.ID)
		return map[string]any{"id": t.ID}
	})
}

// roll gives the token another value under the same id; the old value is dead
// at once.
func (d door) roll(c *call) reply {
	return d.change(c, func(s *world.State, t *world.Credential) any { return s.Roll(t).Value })
}
