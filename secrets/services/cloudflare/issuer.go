package cloudflare

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// maxLabel is the longest name of a token, in bytes.
const maxLabel = 120

// order is the body that makes a token or, with Status, replaces its settings.
// There is no order for a new value of a token: that would kill the old value
// at once.
type order struct {
	Name      string                       `json:"name"`
	Policies  []map[string]json.RawMessage `json:"policies"`
	Condition json.RawMessage              `json:"condition,omitempty"`
	ExpiresOn *time.Time                   `json:"expires_on,omitempty"`
	NotBefore json.RawMessage              `json:"not_before,omitempty"`
	Status    string                       `json:"status,omitempty"`
}

// given is raw, or nothing where that is null.
func given(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// Ready implements services.Issuer. That the token may make others shows in its
// own policies, which only a token that may read tokens is shown; whether
// Cloudflare would also give each policy on shows only when it does.
func (c *Client) Ready(ctx context.Context, with services.Credential) error {
	const op = "asking whether the token may make another"
	s, err := c.sit(ctx, op, with)
	if err != nil {
		return err
	}
	own, err := s.get(ctx, s.now.id)
	if err != nil {
		return s.fault(op, err)
	}
	if !own.allows(s.place.write) {
		return s.fault(op, &services.Error{Kind: services.Permission, Service: Name})
	}
	all, err := s.list(ctx)
	if err != nil {
		return s.fault(op, err)
	}
	if len(all) >= s.place.quota {
		return s.full(op, len(all))
	}
	return nil
}

func (s seat) full(op string, there int) *services.Error {
	return &services.Error{
		Service: Name, Op: op, Kind: services.Rejected,
		Message: fmt.Sprintf("there are %d tokens and no more than %d may be", there, s.place.quota),
		Next:    "delete tokens that nobody uses (see last used) at " + dashboard,
	}
}

// Identify implements services.Issuer. A token that may not read tokens has
// only its id and no more.
func (c *Client) Identify(ctx context.Context, cred services.Credential) (services.Issued, error) {
	const op = "reading the token's record"
	s, err := c.sit(ctx, op, cred)
	if err != nil {
		return services.Issued{}, err
	}
	own, err := s.get(ctx, s.now.id)
	if err == nil {
		return own.issued(), nil
	}
	if fault := s.fault(op, err); fault.Kind != services.Permission {
		return services.Issued{}, fault
	}
	return services.Issued{ID: s.now.id}, nil
}

// Issue implements services.Issuer: a second token with the same policies and
// conditions. The present one is not touched.
func (c *Client) Issue(ctx context.Context, with services.Credential, o services.Order) (services.Issued, error) {
	const op = "making a token"
	if len(o.Label) == 0 || len(o.Label) > maxLabel {
		return services.Issued{}, &services.Error{
			Service: Name, Op: op, Kind: services.Rejected, Message: "the label has not 1 to 120 bytes", Next: nextDoctor,
		}
	}
	s, err := c.sit(ctx, op, with)
	if err != nil {
		return services.Issued{}, err
	}
	own, err := s.get(ctx, s.now.id)
	if err != nil {
		return services.Issued{}, s.fault(op, err)
	}
	policies, err := own.copied()
	if err != nil || len(policies) == 0 {
		return services.Issued{}, &services.Error{
			Service: Name, Op: op, Kind: services.Rejected, Message: "the token's own policies cannot be copied",
			Next: "make the new token at " + dashboard,
		}
	}
	body := order{Name: o.Label, Policies: policies, Condition: given(own.Condition)}
	if !o.Expires.IsZero() {
		// Cloudflare's times have whole seconds.
		end := o.Expires.UTC().Truncate(time.Second)
		body.ExpiresOn = &end
	}
	return s.create(ctx, op, body)
}

func (s seat) create(ctx context.Context, op string, body order) (services.Issued, error) {
	var answer struct{ Result record }
	if err := s.client.send(ctx, s.token, http.MethodPost, s.place.path, body, &answer); err != nil {
		fault := s.fault(op, err)
		// Elsewhere 1001 is about the header; here it is a policy that the token
		// has not itself (cloudflare/terraform-provider-cloudflare#7241).
		if fault.Kind != services.Rejected && fault.Code != "1001" {
			return services.Issued{}, fault
		}
		fault.Kind = services.Rejected
		// The code for a full quota is not documented, so it is counted.
		if all, err := s.list(ctx); err == nil && len(all) >= s.place.quota {
			return services.Issued{}, s.full(op, len(all))
		}
		fault.Message = "Cloudflare does not let the token give its own policies on"
		fault.Next = "make the new token at " + dashboard
		return services.Issued{}, fault
	}
	made := answer.Result
	if !validToken.MatchString(made.ID) || !validValue.MatchString(made.Value) {
		return services.Issued{}, &services.Error{
			Service: Name, Op: op, Kind: services.Outage, Message: "the answer holds no token", Next: nextLater,
		}
	}
	out := made.issued()
	out.Values = services.Credential{TokenEntry: secrets.NewValue([]byte(made.Value))}
	return out, nil
}

// Labelled implements services.Issuer: oldest first, disabled ones among them.
func (c *Client) Labelled(ctx context.Context, with services.Credential, label string) ([]services.Issued, error) {
	const op = "listing tokens"
	s, err := c.sit(ctx, op, with)
	if err != nil {
		return nil, err
	}
	all, err := s.list(ctx)
	if err != nil {
		return nil, s.fault(op, err)
	}
	var out []services.Issued
	for _, r := range all {
		if r.Name == label && r.Status != "expired" {
			out = append(out, r.issued())
		}
	}
	slices.SortFunc(out, func(a, b services.Issued) int { return a.Created.Compare(b.Created) })
	return out, nil
}

// Delete implements services.Issuer. with must be of the same kind, user's or
// account's, as the token to delete: the other kind's are unknown at its door.
func (c *Client) Delete(ctx context.Context, with services.Credential, id string) error {
	const op = "deleting a token"
	s, err := c.sitFor(ctx, op, with, id)
	if err != nil {
		return err
	}
	var answer struct{ Result record }
	err = c.send(ctx, s.token, http.MethodDelete, s.place.path+"/"+id, struct{}{}, &answer)
	if err == nil && answer.Result.ID != "" { // the description allows null
		err = s.about(answer.Result, id)
	}
	if err == nil {
		return nil
	}
	fault := s.fault(op, err)
	switch {
	case fault.Kind == services.NotFound && fault.Code != "7001" && fault.Code != "7003":
		// These two say that the address is wrong, which is no sign of death.
		return nil
	case fault.Kind == services.Permission && id == s.now.id:
		// A token that deletes itself and loses the answer is refused when the
		// request is repeated.
		if _, err := c.sit(ctx, op, with); services.KindOf(err) == services.Auth {
			return nil
		}
	}
	return fault
}

// sitFor is sit for a request about the token with this id.
func (c *Client) sitFor(ctx context.Context, op string, with services.Credential, id string) (seat, error) {
	if !validToken.MatchString(id) {
		return seat{}, &services.Error{
			Service: Name, Op: op, Kind: services.Rejected, Message: "the token's id is not 32 hexadecimal digits", Next: nextDoctor,
		}
	}
	return c.sit(ctx, op, with)
}

// Disable implements services.Switch.
func (c *Client) Disable(ctx context.Context, with services.Credential, id string) error {
	return c.turn(ctx, "disabling a token", with, id, "disabled")
}

// Enable implements services.Switch.
func (c *Client) Enable(ctx context.Context, with services.Credential, id string) error {
	return c.turn(ctx, "enabling a token", with, id, "active")
}

// IdentifyDisabled implements services.Switch: the door that verifies tokens names
// those that are disabled or whose time is over, too.
func (c *Client) IdentifyDisabled(ctx context.Context, cred services.Credential) (services.Issued, error) {
	const op = "asking which token it is"
	values, err := services.Need(Name, cred, TokenEntry)
	if err != nil {
		return services.Issued{}, services.Fault(Name, op, err)
	}
	now, _, err := c.verify(ctx, values[0])
	switch {
	case err != nil && !dead(err):
		fault := services.Fault(Name, op, err)
		if fault.Kind == services.Auth { // refused, but not called invalid
			fault.Kind = services.Permission
		}
		return services.Issued{}, fault
	case err != nil:
		return services.Issued{}, services.Fault(Name, op, err)
	case !validToken.MatchString(now.id):
		return services.Issued{}, &services.Error{Service: Name, Op: op, Kind: services.Outage, Message: "the answer does not say which token it is", Next: nextDoctor}
	}
	return services.Issued{ID: now.id, Disabled: now.status == "disabled"}, nil
}

// turn writes the token as it is with another status; what the request leaves
// out, Cloudflare takes away.
func (c *Client) turn(ctx context.Context, op string, with services.Credential, id, status string) error {
	s, err := c.sitFor(ctx, op, with, id)
	if err != nil {
		return err
	}
	is, err := s.get(ctx, id)
	if err != nil {
		return s.fault(op, err)
	}
	if is.Status == status {
		return nil
	}
	policies, err := is.copied()
	if err != nil {
		return s.fault(op, err)
	}
	body := order{
		Name: is.Name, Policies: policies, Condition: given(is.Condition), ExpiresOn: is.ExpiresOn,
		NotBefore: given(is.NotBefore), Status: status,
	}
	var answer struct{ Result record }
	if err := c.send(ctx, s.token, http.MethodPut, s.place.path+"/"+id, body, &answer); err != nil {
		return s.fault(op, err)
	}
	if err := s.about(answer.Result, id); err != nil {
		return s.fault(op, err)
	}
	if answer.Result.Status != status {
		return &services.Error{
			Service: Name, Op: op, Kind: services.Outage, Message: "the token is not " + status + " afterwards", Next: nextDoctor,
		}
	}
	return nil
}
