// Package cloudflare talks to Cloudflare's API: it checks, makes and deletes
// tokens, and reads and writes the secrets of Workers.
package cloudflare

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/cloudflare/cloudflare-go/v7/option"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Name is the service's name in the catalog and in errors.
const Name = "cloudflare"

// TokenEntry is the entry that Check reads.
const TokenEntry = "api-token"

// Config says where the API is and what a token should reach.
type Config struct {
	// BaseURL ends in /client/v4.
	BaseURL string
	HTTP    *http.Client
	Limits  services.Limits
	// Account is the account's id; needed for tokens that belong to an account.
	Account string
	// Zones that a token should be able to read.
	Zones []Zone
}

// Zone is a zone's id with a name for people.
type Zone struct{ Name, ID string }

// Client talks to one Cloudflare API. It holds no token.
type Client struct {
	config Config
	http   *http.Client
	// once never sends a request again: for those that make something.
	once *http.Client
}

// New makes a client. No request is sent.
func New(c Config) *Client {
	service := services.Service{Name: Name, Judge: judge}
	single := c.Limits
	single.Retries = -1
	return &Client{config: c, http: service.HTTP(c.HTTP, c.Limits), once: service.HTTP(c.HTTP, single)}
}

// options are for one call of the SDK; its environment and its repeats are not
// used.
func (c *Client) options(token secrets.Value) []option.RequestOption {
	return []option.RequestOption{
		option.WithBaseURL(c.config.BaseURL),
		option.WithHTTPClient(c.http),
		option.WithMaxRetries(0),
		option.WithAPIToken(string(token.Reveal())),
	}
}

// send is a request without the SDK. path is below the API's address; body, if
// not nil, goes out as JSON; the answer is decoded into out. A POST is sent
// only once, whatever comes back.
func (c *Client) send(ctx context.Context, token secrets.Value, method, path string, body, out any) error {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return &services.Error{Service: Name, Kind: services.Rejected, Message: "the request could not be built"}
		}
		content = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.config.BaseURL, "/")+path, content)
	if err != nil {
		return &services.Error{
			Service: Name, Kind: services.Rejected, Message: "the address of the API is not one",
			Next: "check services.cloudflare.api in the catalog",
		}
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+string(token.Reveal()))
	client := c.http
	if method == http.MethodPost {
		client = c.once
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// The SDK puts names into paths as they are.
var (
	validAccount = regexp.MustCompile(`^[0-9a-f]{32}$`)
	validZone    = validAccount
	validWorker  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,254}$`)
)

// address refuses names that would lead to another path.
func address(op, account, worker string) error {
	fault := &services.Error{Service: Name, Op: op, Kind: services.Rejected}
	switch {
	case account == "":
		fault.Message, fault.Next = "the account id is not known", "pass edit cloudflare/account-id"
	case !validAccount.MatchString(account):
		fault.Message, fault.Next = "the account id is not 32 hexadecimal digits", "pass edit cloudflare/account-id"
	case !validWorker.MatchString(worker):
		fault.Message, fault.Next = "the Worker's name has characters that no Worker's name has", "go run . catalog validate"
	default:
		return nil
	}
	return fault
}
