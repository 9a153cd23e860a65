package world

import (
	"encoding/json"
	"time"
)

// The services that issue credentials.
const (
	Cloudflare  = "cloudflare"
	Scaleway    = "scaleway"
	Stripe      = "stripe"
	Clerk       = "clerk"
	Sightengine = "sightengine"
	GitHub      = "github"
)

// The kinds of Cloudflare token: each has its own door to be verified at.
const (
	KindUser    = "user"
	KindAccount = "account"
)

// Credential is one value that a service has given out. Pairs (access key and
// secret key) are two credentials of one Group.
type Credential struct {
	Service string `json:"service"`
	ID      string `json:"id"`
	// Entry is the name of the pass entry it belongs to (last path element).
	Entry    string     `json:"entry"`
	Value    string     `json:"value"`
	IssuedAt time.Time  `json:"issued_at"`
	Revoked  *time.Time `json:"revoked_at"`
	Expires  *time.Time `json:"expires_at,omitempty"`
	// NotBefore is when the service starts to take it.
	NotBefore time.Time `json:"not_before"`
	// RefusedFrom is when a revoked one stops working.
	RefusedFrom *time.Time `json:"refused_from,omitempty"`
	Disabled    bool       `json:"disabled,omitempty"`
	LastUsed    *time.Time `json:"last_used_at,omitempty"`

	Kind        string   `json:"kind,omitempty"`
	Owner       string   `json:"owner,omitempty"`
	Account     string   `json:"account,omitempty"`
	Mode        string   `json:"mode,omitempty"`
	Group       string   `json:"group,omitempty"`
	Permissions []string `json:"permissions,omitempty"`
	Description string   `json:"description,omitempty"`
	// Policies of a Cloudflare token, as the API shows them.
	Policies json.RawMessage `json:"policies,omitempty"`
	// Condition of a Cloudflare token: from where it may be used.
	Condition json.RawMessage `json:"condition,omitempty"`
	// ValidFrom is the start that was ordered for it.
	ValidFrom *time.Time `json:"valid_from,omitempty"`
	// Modified is when its settings were last changed; nil: never.
	Modified *time.Time `json:"modified_at,omitempty"`
}

// Standing is what a service thinks of a credential.
type Standing string

// The standings. Unknown also holds for one that does not work yet.
const (
	Unknown  Standing = "unknown"
	Alive    Standing = "alive"
	Expired  Standing = "expired"
	Disabled Standing = "disabled"
	Revoked  Standing = "revoked"
)

// Standing says what the service thinks of the credential at that time.
func (c *Credential) Standing(now time.Time) Standing {
	switch {
	case c.RefusedFrom != nil && !now.Before(*c.RefusedFrom):
		return Revoked
	case now.Before(c.NotBefore) || c.ValidFrom != nil && now.Before(*c.ValidFrom):
		return Unknown
	case c.Expires != nil && !now.Before(*c.Expires):
		return Expired
	case c.Disabled:
		return Disabled
	default:
		return Alive
	}
}

// May reports whether the credential has the permission. "X Write" includes
// "X Read"; "*" is everything.
func (c *Credential) May(permission string) bool {
	for _, p := range c.Permissions {
		if p == "*" || p == permission || readOf(p) == permission {
			return true
		}
	}
	return false
}

// readOf turns "Zone Write" into "Zone Read".
func readOf(permission string) string {
	const write = " Write"
	n := len(permission) - len(write)
	if n < 0 || permission[n:] != write {
		return ""
	}
	return permission[:n] + " Read"
}

// Find returns the credential with that value, in whatever standing.
func (s *State) Find(service, value string) (*Credential, bool) {
	if value == "" {
		return nil, false
	}
	for _, c := range s.Credentials {
		if c.Service == service && c.Value == value {
			return c, true
		}
	}
	return nil, false
}

// ByID returns the credential with that id; after a roll the living one.
func (s *State) ByID(service, id string) (*Credential, bool) {
	var found *Credential
	for _, c := range s.Credentials {
		if c.Service == service && c.ID == id && (found == nil || c.Revoked == nil) {
			found = c
		}
	}
	return found, found != nil
}

// Partner returns the other credential of a pair.
func (s *State) Partner(c *Credential, entry string) (*Credential, bool) {
	for _, p := range s.Credentials {
		if c.Group != "" && p.Group == c.Group && p.Entry == entry {
			return p, true
		}
	}
	return nil, false
}

// Newest returns the credential issued last for an entry, living ones first.
func (s *State) Newest(service, entry string) (*Credential, bool) {
	var found *Credential
	for _, c := range s.Credentials {
		if c.Service == service && c.Entry == entry &&
			(found == nil || c.Revoked == nil || found.Revoked != nil) {
			found = c
		}
	}
	return found, found != nil
}

// Revoke ends the credentials with that id, with the other half of a pair and,
// for a webhook's signing secret, the endpoint. It reports whether there was
// anything left to end.
func (s *State) Revoke(id string) bool {
	groups := map[string]bool{}
	for _, c := range s.Credentials {
		if c.ID == id && c.Group != "" {
			groups[c.Group] = true
		}
	}
	ended := false
	for _, c := range s.Credentials {
		if c.Revoked == nil && (c.ID == id || groups[c.Group]) {
			s.end(c)
			ended = true
		}
	}
	return ended
}

func (s *State) end(c *Credential) {
	now := s.Now()
	refused := now.Add(s.Settings.RevokeDelay.Duration())
	c.Revoked, c.RefusedFrom = &now, &refused
	for i, e := range s.Webhooks {
		if c.Service == Stripe && e.ID == c.ID {
			s.Webhooks = append(s.Webhooks[:i], s.Webhooks[i+1:]...)
			break
		}
	}
}

// Revoke ends a credential by its id, as a person does at the dashboard: a pair
// as a whole. It reports whether there was anything left to end.
func (w *World) Revoke(id string) (bool, error) {
	var ended bool
	err := w.Update(func(s *State) error {
		ended = s.Revoke(id)
		return nil
	})
	return ended, err
}

// Lookup returns the credential with that value, in whatever standing.
func (w *World) Lookup(service, value string) (Credential, bool, error) {
	var out Credential
	var ok bool
	err := w.Read(func(s *State) {
		if c, found := s.Find(service, value); found {
			out, ok = *c, true
		}
	})
	return out, ok, err
}
