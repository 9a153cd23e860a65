package cloudflare_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

func TestCheckHostile(t *testing.T) {
	for _, token := range []string{userToken, accountToken} {
		t.Run(token[:4], func(t *testing.T) {
			cred := credential(token)
			servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
				return cloudflare.New(cloudflare.Config{BaseURL: base + prefix, Account: account, Limits: limits}).Check(ctx, cred)
			})
		})
	}
}

// Writing meets the same answers; what was written is then not known.
func TestBulkHostile(t *testing.T) {
	cred := credential(userToken)
	servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
		client := cloudflare.New(cloudflare.Config{BaseURL: base + prefix, Limits: limits})
		err := client.Bulk(ctx, cred["api-token"], account, "badges", secretSet("A"))
		return services.Report{State: services.Unknown}, err
	})
}

// verifying answers the verify door itself, so that only what comes after it
// meets the hostile server.
type verifying struct{}

func (verifying) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != userDoor {
		return http.DefaultTransport.RoundTrip(r)
	}
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(verified("active"))),
	}, nil
}

// No such answer may say that a token is gone, or that there is none.
func TestIssuerHostile(t *testing.T) {
	cred := credential(userToken)
	for name, ask := range map[string]func(context.Context, *cloudflare.Client) error{
		"delete": func(ctx context.Context, c *cloudflare.Client) error { return c.Delete(ctx, cred, zone) },
		"labelled": func(ctx context.Context, c *cloudflare.Client) error {
			found, err := c.Labelled(ctx, cred, label)
			require.Empty(t, found)
			return err
		},
		"list": func(ctx context.Context, c *cloudflare.Client) error {
			found, err := c.List(ctx, cred)
			require.Empty(t, found)
			return err
		},
		"ready":    func(ctx context.Context, c *cloudflare.Client) error { return c.Ready(ctx, cred) },
		"disable":  func(ctx context.Context, c *cloudflare.Client) error { return c.Disable(ctx, cred, zone) },
		"identify": func(ctx context.Context, c *cloudflare.Client) error { return identify(ctx, c, cred) },
	} {
		t.Run(name, func(t *testing.T) {
			servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
				client := cloudflare.New(cloudflare.Config{BaseURL: base + prefix, Limits: limits, HTTP: &http.Client{Transport: verifying{}}})
				return services.Report{State: services.Unknown}, ask(ctx, client)
			})
		})
	}
}

func identify(ctx context.Context, c *cloudflare.Client, cred services.Credential) error {
	found, err := c.Identify(ctx, cred)
	if err == nil && found.ID != "" {
		return errors.New("a record was believed")
	}
	return err
}
