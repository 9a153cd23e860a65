// Package scaleway talks to Scaleway: it checks, makes and deletes API keys at
// IAM, checks them at the container registry, and reads and sets the secret variables
// of Serverless Containers.
package scaleway

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/scaleway/scaleway-sdk-go/scw"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Name is the service's name in the catalog and in errors.
const Name = "scaleway"

// The entries of an API key, which change together.
const (
	AccessEntry = "access-key"
	SecretEntry = "api-secret"
)

// Config says where the API and the registry are.
type Config struct {
	BaseURL string
	HTTP    *http.Client
	Limits  services.Limits
	// Region of the containers, as fr-par.
	Region string
	// Registry is https://HOST; Image a private repository NAMESPACE/IMAGE.
	Registry string
	Image    string
	// Patience is how long a container's deployment may take; 0 means 15 minutes.
	Patience time.Duration
}

// Client talks to one Scaleway. It holds no key.
type Client struct {
	config Config
	api    *http.Client
	// once never sends a request again: for those that make something.
	once     *http.Client
	registry *http.Client
	// writing has a slot for each namespace that is being changed.
	writing sync.Map
}

// New makes a client. No request is sent.
func New(c Config) *Client {
	api := services.Service{Name: Name, Judge: judge}
	registry := services.Service{Name: Name, Loose: true}
	single := c.Limits
	single.Retries = -1
	return &Client{
		config: c, api: api.HTTP(c.HTTP, c.Limits), once: api.HTTP(c.HTTP, single),
		registry: registry.HTTP(c.HTTP, c.Limits),
	}
}

// sdk makes the SDK's client for one key. The SDK checks the form of keys and
// quotes them, the secret one too, when it does not like them.
func (c *Client) sdk(access, secret secrets.Value) (*scw.Client, error) {
	return c.sdkOver(c.api, access, secret)
}

func (c *Client) sdkOver(over *http.Client, access, secret secrets.Value) (*scw.Client, error) {
	client, err := scw.NewClient(
		scw.WithAPIURL(c.config.BaseURL),
		scw.WithHTTPClient(over),
		scw.WithAuth(string(access.Reveal()), string(secret.Reveal())),
	)
	if err != nil {
		return nil, &services.Error{
			Service: Name, Kind: services.Rejected,
			Message: "the key pair or the API's address has not the form that Scaleway's have",
			Next:    "an access key is SCW and 17 characters, a secret key a UUID: go run . doctor",
		}
	}
	return client, nil
}

// remove is a DELETE, without the SDK: that takes any success for one, also a
// foreign page's.
func (c *Client) remove(ctx context.Context, secret secrets.Value, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, strings.TrimSuffix(c.config.BaseURL, "/")+path, nil)
	if err != nil {
		return &services.Error{
			Service: Name, Kind: services.Rejected, Message: "the address of the API is not one",
			Next: "check services.scaleway.api in the catalog",
		}
	}
	req.Header.Set("X-Auth-Token", string(secret.Reveal()))
	res, err := c.api.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		return &services.Error{
			Service: Name, Kind: services.Outage, Status: res.StatusCode, Message: "the answer is not Scaleway's",
			Next: "check services.scaleway.api in the catalog",
		}
	}
	return nil
}
