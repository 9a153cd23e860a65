package world

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Order is what a person clicks at a dashboard to get a new credential.
type Order struct {
	Service string
	// Entries to issue; empty: all that the service's credential has. For
	// Clerk "secret-key" is production and "test-secret-key" development.
	Entries []string
	// What is left empty below is taken from the credential issued last for
	// the same entry.
	Kind        string
	Permissions []string
	Policies    json.RawMessage
	Description string
	Expires     *time.Time
	// Prefix of a Stripe key: sk_live_ (default), rk_live_, sk_test_.
	Prefix string
	// Webhook makes the Stripe endpoint that the signing secret belongs to;
	// nil: as the newest endpoint.
	Webhook *WebhookEndpoint
	// at is the time of issue; zero: now.
	at time.Time
}

// Issue gives out a new credential, as a person does at the dashboard. Old ones
// stay alive, but for Sightengine: there the old pair dies at this moment. A
// pair comes back as two credentials.
func (w *World) Issue(o Order) ([]Credential, error) {
	var out []Credential
	err := w.Update(func(s *State) error {
		made, err := s.Issue(o)
		for _, c := range made {
			out = append(out, *c)
		}
		return err
	})
	return out, err
}

// Issue is World.Issue within an Update.
func (s *State) Issue(o Order) ([]*Credential, error) {
	entries, ok := serviceEntries(o.Service)
	if !ok {
		return nil, fmt.Errorf("issuing: no service %q in the sandbox", o.Service)
	}
	if len(o.Entries) > 0 {
		for _, e := range o.Entries {
			if !slices.Contains(entries, e) {
				return nil, fmt.Errorf("issuing for %s: no entry %q", o.Service, e)
			}
		}
		entries = o.Entries
	} else if o.Service == Clerk {
		entries = entries[:1]
	}
	switch o.Service {
	case Scaleway:
		return s.issuePair(o, "scw", map[string]string{
			"access-key": scalewayAccessKey(), "api-secret": NewUUID()}), nil
	case Sightengine:
		s.endAll(Sightengine)
		return s.issuePair(o, "se", map[string]string{
			"api-user": sightengineUser(), "api-secret": randomFrom(alnum, 32)}), nil
	}
	var made []*Credential
	for _, e := range entries {
		made = append(made, s.issueOne(o, e))
	}
	return made, nil
}

func serviceEntries(service string) ([]string, bool) {
	switch service {
	case Cloudflare:
		return []string{"api-token"}, true
	case Scaleway:
		return []string{"access-key", "api-secret"}, true
	case Stripe:
		return []string{"secret-key", "webhook-secret"}, true
	case Clerk:
		return []string{"secret-key", "test-secret-key"}, true
	case Sightengine:
		return []string{"api-user", "api-secret"}, true
	case GitHub:
		return []string{"token"}, true
	default:
		return nil, false
	}
}

func (s *State) endAll(service string) {
	for _, c := range s.Credentials {
		if c.Service == service && c.Revoked == nil {
			s.end(c)
		}
	}
}

func (s *State) issuePair(o Order, prefix string, values map[string]string) []*Credential {
	group := prefix + "-" + randomHex(12)
	entries, _ := serviceEntries(o.Service)
	var made []*Credential
	for _, e := range entries {
		c := s.blank(o, e)
		c.ID, c.Group, c.Value = group+"-"+e, group, values[e]
		made = append(made, c)
	}
	s.Credentials = append(s.Credentials, made...)
	return made
}

func (s *State) issueOne(o Order, entry string) *Credential {
	c := s.blank(o, entry)
	switch {
	case o.Service == Cloudflare:
		c.ID, c.Value = randomHex(32), cloudflareToken(c.Kind)
	case entry == "webhook-secret":
		e := s.newWebhook(o.Webhook, c.IssuedAt)
		c.ID, c.Value, c.Mode = e.ID, webhookSecret(), modeOf(e.Live)
	case o.Service == Stripe:
		prefix := o.Prefix
		if prefix == "" {
			prefix = "sk_live_"
		}
		c.ID, c.Value, c.Mode = "key_"+randomFrom(alnum, 14), stripeKey(prefix), prefix[3:7]
	case o.Service == Clerk:
		c.Mode = modeOf(entry == "secret-key")
		c.ID, c.Value = "key_"+randomFrom(alnum, 20), clerkKey(c.Mode)
		c.Account = s.clerkInstance(c.Mode).ID
	case o.Service == GitHub:
		c.ID, c.Value = "pat_"+randomFrom(alnum, 12), "ghp_"+randomFrom(alnum, 36)
	}
	s.Credentials = append(s.Credentials, c)
	return c
}

func modeOf(live bool) string {
	if live {
		return "live"
	}
	return "test"
}

// blank is a credential without id and value, filled from the order and, where
// that says nothing, from its predecessor.
func (s *State) blank(o Order, entry string) *Credential {
	at := o.at
	if at.IsZero() {
		at = s.Now()
	}
	c := &Credential{Service: o.Service, Entry: entry, IssuedAt: at, Expires: o.Expires,
		NotBefore: at.Add(s.Settings.IssueDelay.Duration()), Description: o.Description}
	if old, ok := s.Newest(o.Service, entry); ok {
		c.Kind, c.Owner, c.Account, c.Mode = old.Kind, old.Owner, old.Account, old.Mode
		c.Permissions, c.Policies = slices.Clone(old.Permissions), slices.Clone(old.Policies)
		c.Condition = slices.Clone(old.Condition)
		if c.Description == "" {
			c.Description = old.Description
		}
	}
	if o.Kind != "" {
		c.Kind = o.Kind
	}
	if o.Permissions != nil {
		c.Permissions = slices.Clone(o.Permissions)
	}
	if o.Policies != nil {
		c.Policies = slices.Clone(o.Policies)
	}
	s.adopt(c)
	return c
}

// adopt says whose a credential is.
func (s *State) adopt(c *Credential) {
	switch c.Service {
	case Cloudflare:
		if c.Kind == "" {
			c.Kind = KindUser
		}
		c.Account, c.Owner = s.Cloudflare.ID, s.Cloudflare.UserID
		if c.Kind == KindAccount {
			c.Owner = s.Cloudflare.ID
		}
	case Scaleway:
		c.Account, c.Owner = s.Scaleway.ProjectID, s.Scaleway.ApplicationID
	case Stripe:
		c.Account = s.Stripe.ID
	case Sightengine:
		c.Account = s.Sightengine
	}
	if c.Permissions == nil {
		c.Permissions = []string{"*"}
	}
}

func (s *State) clerkInstance(mode string) ClerkInstance {
	for _, i := range s.Clerk {
		if i.Mode == mode {
			return i
		}
	}
	return ClerkInstance{Mode: mode}
}

// newWebhook adds an endpoint like the model, or like the newest one.
func (s *State) newWebhook(model *WebhookEndpoint, at time.Time) *WebhookEndpoint {
	if model == nil && len(s.Webhooks) > 0 {
		model = s.Webhooks[len(s.Webhooks)-1]
	}
	if model == nil {
		model = &WebhookEndpoint{URL: "https://payments.verifieddit.com/stripe/webhook",
			Events: []string{"checkout.session.completed", "invoice.paid"}, Live: true}
	}
	e := *model
	e.ID, e.CreatedAt, e.Disabled = "we_1"+randomFrom(alnum, 23), at, false
	e.Events = slices.Clone(model.Events)
	s.Webhooks = append(s.Webhooks, &e)
	return &e
}

// Roll gives a Cloudflare token a new value under the same id. The old value
// is dead at once, whatever the delays say.
func (s *State) Roll(old *Credential) *Credential {
	now := s.Now()
	fresh := *old
	fresh.Value, fresh.IssuedAt, fresh.NotBefore, fresh.LastUsed = cloudflareToken(old.Kind), now, now, nil
	old.Revoked, old.RefusedFrom = &now, &now
	s.Credentials = append(s.Credentials, &fresh)
	return &fresh
}
