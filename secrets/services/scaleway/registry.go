package scaleway

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// registryUser is the user name that the registry is logged in to with; any
// would do, the key decides.
const registryUser = "nologin"

// Registry logs in to the container registry and lists tags of the image, as
// skopeo list-tags does. nil: the key works there. A wrong key is an Auth
// error; the registry answers it with 404 where it hands out tokens.
func (c *Client) Registry(ctx context.Context, cred services.Credential) error {
	op := "listing tags of " + c.config.Image
	values, err := services.Need(Name, cred, SecretEntry)
	if err != nil {
		return services.Fault(Name, op, err)
	}
	repo, guard, err := c.repository()
	if err != nil {
		return services.Fault(Name, op, err)
	}
	puller, err := remote.NewPuller(
		remote.WithTransport(guard),
		remote.WithAuth(&authn.Basic{Username: registryUser, Password: string(values[0].Reveal())}),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
		remote.WithRetryPredicate(func(error) bool { return false }),
	)
	if err != nil {
		return services.Fault(Name, op, err)
	}
	// One page is proof enough.
	if _, err := puller.Lister(ctx, repo); err != nil {
		return registryFault(op, err)
	}
	return nil
}

func (c *Client) repository() (name.Repository, *guard, error) {
	refuse := func(message string) (name.Repository, *guard, error) {
		return name.Repository{}, nil, &services.Error{
			Service: Name, Kind: services.Rejected, Message: message, Next: "check services.scaleway.registry and image in the catalog",
		}
	}
	registry, err := url.Parse(c.config.Registry)
	if err != nil || registry.Host == "" {
		return refuse("the registry's address is not a URL")
	}
	api, err := url.Parse(c.config.BaseURL)
	if err != nil {
		return refuse("the API's address is not a URL")
	}
	var options []name.Option
	if registry.Scheme == "http" {
		options = append(options, name.Insecure)
	}
	repo, err := name.NewRepository(registry.Host+"/"+c.config.Image, options...)
	if err != nil {
		return refuse("the image's name is not NAMESPACE/IMAGE")
	}
	return repo, &guard{next: c.registry.Transport, hosts: []string{registry.Host, api.Host}}, nil
}

func registryFault(op string, err error) error {
	var refused *transport.Error
	if errors.As(err, &refused) && refused.StatusCode == http.StatusUnauthorized {
		return &services.Error{
			Service: Name, Op: op, Status: refused.StatusCode, Kind: services.Permission,
			Message: "the key logs in to the registry but may not read the image", Next: nextDoctor,
		}
	}
	return services.Fault(Name, op, err)
}

// guard watches the login: the registry names the address that the key is sent
// to, and that must be the registry's or the API's own host.
type guard struct {
	next  http.RoundTripper
	hosts []string
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	login := strings.HasPrefix(req.Header.Get("Authorization"), "Basic ")
	if !g.own(req.URL.Host) {
		return nil, &services.Error{
			Service: Name, Kind: services.Outage,
			Message: "the registry names a foreign host for the login; the key was not sent there",
			Next:    "check services.scaleway.registry in the catalog",
		}
	}
	res, err := g.next.RoundTrip(req)
	if !login {
		return res, err
	}
	refused := &services.Error{
		Service: Name, Kind: services.Auth, Message: "the registry does not accept the key", Next: nextDoctor,
	}
	if err == nil && res.StatusCode == http.StatusUnauthorized {
		refused.Status = res.StatusCode
		return nil, errors.Join(refused, res.Body.Close())
	}
	var fault *services.Error
	if errors.As(err, &fault) {
		switch fault.Kind {
		case services.NotFound, services.Permission:
			refused.Status = fault.Status
			return nil, refused
		}
	}
	return res, err
}

func (g *guard) own(host string) bool {
	for _, one := range g.hosts {
		if one == host {
			return true
		}
	}
	return false
}
