package cloudflare

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Tokens are read and written without the SDK: its types drop what they do not
// know, and a copy of a token that lost a condition may do more than the token.

// place is where tokens of one kind are kept.
type place struct {
	path string // below the API's address
	// read is the permission that shows them, write the one that makes, changes
	// and deletes them.
	read, write string
	// quota is how many there may be (developers.cloudflare.com, API limits).
	quota int
}

// seat is a living token at its place.
type seat struct {
	client *Client
	token  secrets.Value
	place  place
	now    standing
}

// sit verifies the token, which also tells its place, and so what every later
// refusal means: that the token may not, never that it is dead.
func (c *Client) sit(ctx context.Context, op string, with services.Credential) (seat, error) {
	values, err := services.Need(Name, with, TokenEntry)
	if err != nil {
		return seat{}, services.Fault(Name, op, err)
	}
	now, ofAccount, err := c.verify(ctx, values[0])
	if err != nil {
		fault := services.Fault(Name, op, err)
		if fault.Kind == services.Auth && !dead(err) {
			// Refused, but not called invalid: it may belong to another account.
			fault.Kind = services.Permission
		}
		return seat{}, fault
	}
	fault := &services.Error{Service: Name, Op: op, Kind: services.Outage, Next: nextDoctor}
	switch {
	case now.status == "disabled" || now.status == "expired":
		fault.Kind, fault.Message = services.Auth, "Cloudflare says the token is "+now.status
		return seat{}, fault
	case now.status != "active" || !validToken.MatchString(now.id):
		fault.Message = "the answer does not say which token it is and whether it is active"
		return seat{}, fault
	}
	at := place{path: "/user/tokens", read: "API Tokens Read", write: "API Tokens Write", quota: 50}
	if ofAccount {
		at = place{path: "/accounts/" + c.config.Account + "/tokens", read: "Account API Tokens Read", write: "Account API Tokens Write", quota: 500}
	}
	return seat{client: c, token: values[0], place: at, now: now}, nil
}

// fault explains an error of a living token's request.
func (s seat) fault(op string, err error) *services.Error {
	f := services.Fault(Name, op, err)
	if f.Kind == services.Auth || f.Kind == services.Permission {
		f.Kind, f.Message = services.Permission, "the token may not do this; it needs the permission "+s.place.write
		f.Next = "add " + s.place.write + " to the token at " + dashboard + ", or make the new token there"
	}
	return f
}

const dashboard = "https://dash.cloudflare.com/profile/api-tokens"

// validToken is the form of a token's id, validValue that of a value.
var (
	validToken = validAccount
	validValue = regexp.MustCompile(`^[A-Za-z0-9_-]{40,80}$`)
)

// record is a token as the API shows it. What a copy needs is kept as it came.
type record struct {
	ID         string                       `json:"id"`
	Name       string                       `json:"name"`
	Status     string                       `json:"status"`
	IssuedOn   *time.Time                   `json:"issued_on"`
	ExpiresOn  *time.Time                   `json:"expires_on"`
	LastUsedOn *time.Time                   `json:"last_used_on"`
	NotBefore  json.RawMessage              `json:"not_before"`
	Condition  json.RawMessage              `json:"condition"`
	Policies   []map[string]json.RawMessage `json:"policies"`
	Value      string                       `json:"value"`
}

func (r record) issued() services.Issued {
	at := func(t *time.Time) time.Time {
		if t == nil {
			return time.Time{}
		}
		return *t
	}
	return services.Issued{
		ID: r.ID, Label: r.Name, Created: at(r.IssuedOn), Expires: at(r.ExpiresOn), LastUsed: at(r.LastUsedOn),
		Disabled: r.Status == "disabled",
	}
}

// get reads the token with this id, which is of the form of one.
func (s seat) get(ctx context.Context, id string) (record, error) {
	var answer struct{ Result record }
	if err := s.client.send(ctx, s.token, http.MethodGet, s.place.path+"/"+id, nil, &answer); err != nil {
		return record{}, err
	}
	return answer.Result, s.about(answer.Result, id)
}

// about refuses an answer that is not about this token.
func (s seat) about(r record, id string) error {
	if r.ID == id {
		return nil
	}
	return &services.Error{
		Service: Name, Kind: services.Outage, Message: "the answer is not about this token",
		Next: "check services.cloudflare.api in the catalog",
	}
}

// perPage is the largest page that the API gives.
const perPage = 50

// list reads all tokens of the place, expired ones too: they may count for the
// quota. What is found is counted, because a token that is deleted meanwhile
// moves the next one to a page already read; and this token must be among them.
func (s seat) list(ctx context.Context) (map[string]record, error) {
	found := map[string]record{}
	for page := 1; ; page++ {
		var answer struct {
			Result []record
			Info   *struct {
				Total int `json:"total_count"`
			} `json:"result_info"`
		}
		path := fmt.Sprintf("%s?include_expired=true&page=%d&per_page=%d", s.place.path, page, perPage)
		if err := s.client.send(ctx, s.token, http.MethodGet, path, nil, &answer); err != nil {
			return nil, err
		}
		before := len(found)
		for _, r := range answer.Result {
			found[r.ID] = r
		}
		whole := answer.Info != nil && len(found) == answer.Info.Total || answer.Info == nil && len(found) == before
		if _, own := found[s.now.id]; whole && own {
			return found, nil
		}
		if whole || len(found) == before {
			return nil, &services.Error{
				Service: Name, Kind: services.Outage, Message: "the list of tokens is not whole, or changed while it was read", Next: nextLater,
			}
		}
	}
}

const nextLater = "try again"

// copied are the policies in the form of an order: without what only Cloudflare
// gives, the ids and the groups' names.
func (r record) copied() ([]map[string]json.RawMessage, error) {
	out := make([]map[string]json.RawMessage, 0, len(r.Policies))
	for _, policy := range r.Policies {
		fresh := maps.Clone(policy)
		delete(fresh, "id")
		var groups []map[string]json.RawMessage
		if err := json.Unmarshal(policy["permission_groups"], &groups); err != nil {
			return nil, err
		}
		for _, group := range groups {
			delete(group, "name")
		}
		raw, err := json.Marshal(groups)
		if err != nil {
			return nil, err
		}
		fresh["permission_groups"] = raw
		out = append(out, fresh)
	}
	return out, nil
}

// allows reports whether a policy gives the permission group and none takes it
// away.
func (r record) allows(group string) bool {
	allowed := false
	for _, policy := range r.Policies {
		var effect string
		var groups []struct{ Name string }
		if json.Unmarshal(policy["effect"], &effect) != nil || json.Unmarshal(policy["permission_groups"], &groups) != nil {
			return false
		}
		if !slices.ContainsFunc(groups, func(g struct{ Name string }) bool { return g.Name == group }) {
			continue
		}
		if effect != "allow" {
			return false
		}
		allowed = true
	}
	return allowed
}
