// Package github sets the secrets of GitHub Actions: of repositories, of their
// environments and of organizations. It never deletes one, and never makes
// anything but secrets.
package github

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	sdk "github.com/google/go-github/v84/github"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Name is the service's name in the catalog and in errors.
const Name = "github"

// Config says where the API is.
type Config struct {
	BaseURL string
	HTTP    *http.Client
	Limits  services.Limits
}

// Client talks to GitHub. It holds no token.
type Client struct {
	config Config
	http   *http.Client
	// writing keeps writes one after the other: GitHub refuses many at once
	// (secondary rate limits).
	writing sync.Mutex
}

// New makes a client. No request is sent.
func New(c Config) *Client {
	service := services.Service{Name: Name, Judge: judge}
	return &Client{config: c, http: service.HTTP(c.HTTP, c.Limits)}
}

// Place holds Actions secrets: a repository OWNER/NAME, an environment of it, or
// an organization.
type Place struct {
	Repository, Environment, Organization string
}

// String is what messages call it.
func (p Place) String() string {
	switch {
	case p.Organization != "":
		return "organization " + p.Organization
	case p.Environment != "":
		return "environment " + p.Environment + " of " + p.Repository
	}
	return "repository " + p.Repository
}

// path is where the API has its secrets. The SDK's own calls for environments
// use an older address by the repository's number, which is not documented any
// more; so only its requests and types are used.
func (p Place) path() string {
	if p.Organization != "" {
		return "orgs/" + url.PathEscape(p.Organization) + "/actions/secrets"
	}
	owner, name, _ := strings.Cut(p.Repository, "/")
	base := "repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name)
	if p.Environment != "" {
		return base + "/environments/" + url.PathEscape(p.Environment) + "/secrets"
	}
	return base + "/actions/secrets"
}

// connection is one operation with one token.
type connection struct {
	sdk   *sdk.Client
	place Place
	op    string
}

func (c *Client) connect(token secrets.Value, op string, p Place) (*connection, error) {
	if token.IsZero() {
		return nil, &services.Error{Service: Name, Op: op, Kind: services.Rejected, Message: "there is no token", Next: "check services.github.token in the catalog: go run . doctor"}
	}
	base, err := url.Parse(strings.TrimSuffix(c.config.BaseURL, "/") + "/")
	if err != nil {
		return nil, &services.Error{Service: Name, Op: op, Kind: services.Rejected, Message: "the address of the API is not one", Next: "check services.github.api in the catalog"}
	}
	client := sdk.NewClient(c.http).WithAuthToken(string(token.Reveal()))
	client.BaseURL = base
	return &connection{client, p, op}, nil
}

// call sends one request. The SDK's own errors are dropped: they quote answers.
func (c *connection) call(ctx context.Context, method, path string, body, into any) error {
	req, err := c.sdk.NewRequest(method, c.place.path()+path, body)
	if err != nil {
		return c.fault(services.Rejected, "the request could not be built", "check services.github.api in the catalog")
	}
	if _, err := c.sdk.Do(ctx, req, into); err != nil {
		return services.Fault(Name, c.op, err)
	}
	return nil
}

func (c *connection) fault(kind services.Kind, message, next string) error {
	return &services.Error{Service: Name, Op: c.op, Kind: kind, Message: message, Next: next}
}

// publicKey also shows that the place is there: it has a key, whatever secrets.
func (c *connection) publicKey(ctx context.Context) (*sdk.PublicKey, error) {
	key := &sdk.PublicKey{}
	err := c.call(ctx, http.MethodGet, "/public-key", nil, key)
	if services.KindOf(err) == services.NotFound {
		return nil, c.fault(services.NotFound, "there is no "+c.place.String()+", or the token may not see it",
			"check the name in the catalog, and what the token may do at https://github.com/settings/personal-access-tokens")
	}
	return key, err
}

// secret gives what GitHub shows of a secret; nil if there is none.
func (c *connection) secret(ctx context.Context, name string) (*sdk.Secret, error) {
	got := &sdk.Secret{}
	err := c.call(ctx, http.MethodGet, "/"+url.PathEscape(name), nil, got)
	if services.KindOf(err) == services.NotFound {
		return nil, nil
	}
	if err == nil && got.Name != name {
		err = c.fault(services.Outage, "the answer is about another secret", "check services.github.api in the catalog")
	}
	return got, err
}

// Names lists the names of the place's secrets, sorted.
func (c *Client) Names(ctx context.Context, token secrets.Value, p Place) ([]string, error) {
	all, err := c.All(ctx, token, p)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(all)), nil
}

// All says of every secret of the place when it was last set, by GitHub's clock,
// in whole seconds.
func (c *Client) All(ctx context.Context, token secrets.Value, p Place) (map[string]time.Time, error) {
	conn, err := c.connect(token, "listing the secrets of "+p.String(), p)
	if err != nil {
		return nil, err
	}
	out := map[string]time.Time{}
	for page := 1; ; page++ {
		var list struct {
			Total   *int `json:"total_count"`
			Secrets *[]struct {
				Name    string    `json:"name"`
				Updated time.Time `json:"updated_at"`
			} `json:"secrets"`
		}
		if err := conn.call(ctx, http.MethodGet, "?per_page=100&page="+strconv.Itoa(page), nil, &list); err != nil {
			return nil, err
		}
		if list.Total == nil || list.Secrets == nil {
			return nil, conn.fault(services.Outage, "the answer holds no list of secrets", "check services.github.api in the catalog")
		}
		before := len(out)
		for _, s := range *list.Secrets {
			out[services.Printable(s.Name)] = s.Updated
		}
		if len(out) == *list.Total {
			return out, nil
		}
		if len(out) == before || len(out) > *list.Total {
			return nil, conn.fault(services.Outage, "the list of secrets is not whole, or changed while it was read", "try again")
		}
	}
}

// Updated says when each of the named secrets was last set, by GitHub's clock, in
// whole seconds; one that does not exist is absent. The error is NotFound if the
// place itself does not exist.
func (c *Client) Updated(ctx context.Context, token secrets.Value, p Place, names ...string) (map[string]time.Time, error) {
	conn, err := c.connect(token, "looking at the secrets of "+p.String(), p)
	if err != nil {
		return nil, err
	}
	out := map[string]time.Time{}
	for _, name := range names {
		got, err := conn.secret(ctx, name)
		if err != nil {
			return nil, err
		}
		if got != nil {
			out[name] = got.UpdatedAt.Time
		}
	}
	if len(out) < len(names) {
		_, err = conn.publicKey(ctx)
	}
	return out, err
}

// Settable returns an error if the secrets could not be set: the place is
// missing, or is an organization without one of them. Whether the token may
// write shows only when it does.
func (c *Client) Settable(ctx context.Context, token secrets.Value, p Place, names ...string) error {
	conn, err := c.connect(token, "looking at "+p.String(), p)
	if err != nil {
		return err
	}
	if _, err := conn.publicKey(ctx); err != nil || p.Organization == "" {
		return err
	}
	for _, name := range names {
		if _, err := conn.visible(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// judge implements services.Judge. GitHub has no codes, so the status tells; its
// texts are not repeated.
func judge(status int, body []byte) *services.Error {
	if status < 400 {
		return nil
	}
	var answer struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Message == "" {
		return &services.Error{Kind: services.Outage, Message: "the answer is not GitHub's", Next: "check services.github.api in the catalog"}
	}
	const next = "look at what the token may do at https://github.com/settings/personal-access-tokens"
	switch {
	case status == http.StatusUnauthorized:
		return &services.Error{Kind: services.Auth, Message: "the token is not accepted", Next: "go run . doctor"}
	case status == http.StatusForbidden && strings.Contains(strings.ToLower(answer.Message), "rate limit"):
		return &services.Error{Kind: services.Busy, Message: "too many requests", Next: "wait some minutes, then the same command again"}
	case status == http.StatusForbidden:
		return &services.Error{Kind: services.Permission, Message: "the token may not do this", Next: next}
	case status == http.StatusNotFound:
		return &services.Error{Kind: services.NotFound, Message: "not found, or the token may not see it", Next: next}
	}
	return &services.Error{Kind: services.Rejected, Message: "GitHub refused the request", Next: "go run . doctor"}
}
