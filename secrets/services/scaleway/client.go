// Package scaleway talks to Scaleway: it checks API keys at IAM and at the
// container registry, and lists Serverless Containers.
package scaleway

import (
	"net/http"

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
}

// Client talks to one Scaleway. It holds no key.
type Client struct {
	config   Config
	api      *http.Client
	registry *http.Client
}

// New makes a client. No request is sent.
func New(c Config) *Client {
	api := services.Service{Name: Name, Judge: judge}
	registry := services.Service{Name: Name, Loose: true}
	return &Client{config: c, api: api.HTTP(c.HTTP, c.Limits), registry: registry.HTTP(c.HTTP, c.Limits)}
}

// sdk makes the SDK's client for one key. The SDK checks the form of keys and
// quotes them, the secret one too, when it does not like them.
func (c *Client) sdk(access, secret secrets.Value) (*scw.Client, error) {
	client, err := scw.NewClient(
		scw.WithAPIURL(c.config.BaseURL),
		scw.WithHTTPClient(c.api),
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
