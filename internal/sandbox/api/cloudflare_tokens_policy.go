package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// The kinds of resource that a permission group is about; a resource's name is
// one of them and an id.
const (
	scopeAccount = "com.cloudflare.api.account"
	scopeZone    = "com.cloudflare.api.account.zone"
	scopeUser    = "com.cloudflare.api.user"
)

// permissionGroup is something that a token may be allowed. Only the id of
// Workers Scripts Write is Cloudflare's own.
type permissionGroup struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Scopes []string `json:"scopes,omitempty"`
}

func permissionGroups() []permissionGroup {
	account, zone, user := []string{scopeAccount}, []string{scopeZone}, []string{scopeUser}
	return []permissionGroup{
		{"e086da7e2179491d91ee5f35b3ca210a", "Workers Scripts Write", account},
		{"1a71c399035b4950a1bd1466bbe4f420", "Workers Scripts Read", account},
		{"c1fde68c7bcc44588cbb6ddbc16d6480", "Account Settings Read", account},
		{"1af1fa2adc104452b74a9a3364202f20", "Account Settings Write", account},
		{"5bc3f8b21c554832afc660159ab75fa4", "Account API Tokens Write", account},
		{"eb56a6953c034b9d97dd838155666f06", "Account API Tokens Read", account},
		{"c8fed203ed3043cba015a93ad1616f1f", "Zone Read", zone},
		{"e6d2666161e84845a636613608cee8d5", "Zone Write", zone},
		{"4755a26eedb94da69e1066d98aa820be", "DNS Write", zone},
		{"686d18d5ac6c441c867cbf6771e58a0a", "API Tokens Write", user},
		{"0cc3a61731504c89b99ec1be78b77aa0", "API Tokens Read", user},
		{"8acbe5bb0d54464ab867149d7f7cf8ac", "User Details Read", user},
		{"3518d0f75557482e952c6762d3e64903", "Memberships Read", user},
	}
}

type policy struct {
	ID        string            `json:"id"`
	Effect    string            `json:"effect"`
	Groups    []permissionGroup `json:"permission_groups"`
	Resources map[string]any    `json:"resources"`
}

// grants reports whether the policy is about the permission. "X Write" allows
// "X Read" too, but to deny it leaves that allowed.
func (p policy) grants(permission string) bool {
	return slices.ContainsFunc(p.Groups, func(g permissionGroup) bool {
		return g.Name == permission || p.Effect == "allow" && strings.TrimSuffix(g.Name, " Write")+" Read" == permission
	})
}

// covers reports whether the policy holds for the account or zone that is
// asked for; a list of zones is open to whoever may see one.
func (p policy) covers(c *call, permission string) bool {
	account, zone := c.r.PathValue("account"), c.r.PathValue("zone")
	if account == "" {
		account = c.state.Cloudflare.ID
	}
	for name, value := range p.Resources {
		nested, _ := value.(map[string]any)
		switch scope, id := resource(name); {
		case scope == scopeAccount && nested != nil:
			for inner := range nested {
				of, innerID := resource(inner)
				if scopeOf(permission) == scopeZone && (id == "*" || id == account) && of == scopeZone && fits(innerID, zone) {
					return true
				}
			}
		case scope != scopeOf(permission):
		case scope == scopeAccount && fits(id, account), scope == scopeZone && fits(id, zone),
			scope == scopeUser && fits(id, c.state.Cloudflare.UserID):
			return true
		}
	}
	return false
}

func fits(pattern, id string) bool { return pattern == "*" || id == "" || pattern == id }

// resource splits a resource's name at its last dot.
func resource(name string) (scope, id string) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return name, ""
	}
	return name[:i], name[i+1:]
}

func scopeOf(permission string) string {
	for _, g := range permissionGroups() {
		if g.Name == permission || strings.TrimSuffix(g.Name, " Write")+" Read" == permission {
			return g.Scopes[0]
		}
	}
	return scopeAccount
}

// mayHere reports whether the token may do this at the account or zone of the
// path. A token without policies of its own is made by the world, and good for
// all of the company's things.
func mayHere(c *call, permission string) bool {
	if !c.cred.May(permission) || len(c.cred.Policies) == 0 {
		return c.cred.May(permission)
	}
	var policies []policy
	if json.Unmarshal(c.cred.Policies, &policies) != nil {
		return false
	}
	allowed := false
	for _, p := range policies {
		if !p.grants(permission) || !p.covers(c, permission) {
			continue
		}
		if p.Effect == "deny" {
			return false
		}
		allowed = true
	}
	return allowed
}

// beyond is a permission group on a single zone that the maker has not itself;
// only those are checked (cloudflare/terraform-provider-cloudflare#7241).
func (o *tokenOrder) beyond(c *call) (group string, found bool) {
	for _, p := range o.Policies {
		for name := range p.Resources {
			if scope, id := resource(name); p.Effect != "allow" || scope != scopeZone || id == "*" {
				continue
			}
			for _, g := range p.Groups {
				if !c.cred.May(g.Name) {
					return g.Name, true
				}
			}
		}
	}
	return "", false
}

// policiesOf are the token's policies as the API shows them: those it was made
// with, less what was taken from it since, or else ones made up from what the
// world lets it do, one for each scope.
func policiesOf(s *world.State, t *world.Credential) []policy {
	has := func(g permissionGroup) bool {
		return slices.Contains(t.Permissions, "*") || slices.Contains(t.Permissions, g.Name)
	}
	out := []policy{}
	var own []policy
	if len(t.Policies) > 0 && json.Unmarshal(t.Policies, &own) == nil {
		for _, p := range own {
			if p.Effect == "allow" {
				p.Groups = slices.DeleteFunc(p.Groups, func(g permissionGroup) bool { return !has(g) })
			}
			if len(p.Groups) > 0 {
				out = append(out, p)
			}
		}
		return out
	}
	resources := map[string]map[string]any{
		scopeAccount: {scopeAccount + "." + s.Cloudflare.ID: "*"}, scopeUser: {scopeUser + "." + s.Cloudflare.UserID: "*"},
		scopeZone: {},
	}
	for _, z := range s.Cloudflare.Zones {
		resources[scopeZone][scopeZone+"."+z.ID] = "*"
	}
	for i, scope := range []string{scopeAccount, scopeZone, scopeUser} {
		p := policy{ID: t.ID[i+1:] + t.ID[:i+1], Effect: "allow", Resources: resources[scope]}
		for _, g := range permissionGroups() {
			// An account's token is nobody's, so it has no rights of a user.
			if has(g) && g.Scopes[0] == scope && (scope != scopeUser || t.Kind == world.KindUser) {
				p.Groups = append(p.Groups, permissionGroup{ID: g.ID, Name: g.Name})
			}
		}
		if len(p.Groups) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// condition says from where a token may be used.
type condition struct {
	RequestIP struct {
		In    []string `json:"in"`
		NotIn []string `json:"not_in"`
	} `json:"request_ip"`
}

// check refuses addresses that are none.
func (c condition) check() error {
	for _, text := range append(slices.Clone(c.RequestIP.In), c.RequestIP.NotIn...) {
		if _, err := network(text); err != nil {
			return errors.New("condition.request_ip has an address that is none")
		}
	}
	return nil
}

// network reads an address or a range of them.
func network(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	return netip.ParsePrefix(text)
}

// cloudflareLocation refuses a living token where its condition does not let it
// be used.
func cloudflareLocation(c *call) *reply {
	if c.standing != world.Alive || len(c.cred.Condition) == 0 {
		return nil
	}
	var cond condition
	from, err := netip.ParseAddrPort(c.r.RemoteAddr)
	if err == nil {
		err = json.Unmarshal(c.cred.Condition, &cond)
	}
	here := func(text string) bool {
		n, bad := network(text)
		return bad == nil && n.Contains(from.Addr().Unmap())
	}
	within := len(cond.RequestIP.In) == 0 || slices.ContainsFunc(cond.RequestIP.In, here)
	if err == nil && within && !slices.ContainsFunc(cond.RequestIP.NotIn, here) {
		return nil
	}
	r := cloudflareFail(http.StatusForbidden, 9109, "Cannot use the access token from location: "+from.Addr().String())
	return &r
}
