// Package clerk checks Clerk's secret keys.
package clerk

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	sdk "github.com/clerk/clerk-sdk-go/v2"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Name is the service's name in the catalog and in errors.
const Name = "clerk"

// The entries that Check reads: one of them.
const (
	KeyEntry     = "secret-key"
	TestKeyEntry = "test-secret-key"
)

// Config says where the API is.
type Config struct {
	// BaseURL ends in /v1.
	BaseURL string
	HTTP    *http.Client
	Limits  services.Limits
	// PublishableKey, if known, is the key that KeyEntry must share its
	// environment with. It is not secret.
	PublishableKey string
}

// Client talks to Clerk. It holds no secret key.
type Client struct {
	config Config
	http   *http.Client
}

// New makes a client. No request is sent.
func New(c Config) *Client {
	service := services.Service{Name: Name, Judge: judge}
	return &Client{config: c, http: service.HTTP(c.HTTP, c.Limits)}
}

// instance is GET /instance. The SDK has the call's frame but not this type.
type instance struct {
	sdk.APIResource
	ID          string `json:"id"`
	Environment string `json:"environment_type"`
}

// Check asks which instance the key belongs to. Only the code
// clerk_key_invalid means dead.
func (c *Client) Check(ctx context.Context, cred services.Credential) (services.Report, error) {
	entry := KeyEntry
	if _, ok := cred[KeyEntry]; !ok {
		entry = TestKeyEntry
	}
	report, err := c.check(ctx, cred, entry)
	report.Checked = []string{entry}
	return report, err
}

func (c *Client) check(ctx context.Context, cred services.Credential, entry string) (services.Report, error) {
	const op = "checking the key"
	values, err := services.Need(Name, cred, entry)
	if err != nil {
		return services.CannotTell(Name, op, err)
	}
	got, err := c.instance(ctx, values[0])
	if err != nil {
		if services.Fault(Name, op, err).Code == codeDead {
			return services.Report{State: services.Dead, Detail: "Clerk does not know the key"}, nil
		}
		return services.CannotTell(Name, op, err)
	}
	if got.ID == "" || got.Environment == "" {
		return services.CannotTell(Name, op, &services.Error{
			Service: Name, Kind: services.Outage, Message: "the answer names no instance",
			Next: "check services.clerk.api in the catalog",
		})
	}
	report := services.Report{State: services.Alive, Account: got.ID, Mode: got.Environment}
	want, known := Environment(c.config.PublishableKey)
	if entry == KeyEntry && known && want != got.Environment {
		report.Detail = "the key is of the " + got.Environment + " instance, the publishable key of the " + want + " one"
		report.Missing = []string{"access to the " + want + " instance"}
	}
	return report, nil
}

func (c *Client) instance(ctx context.Context, key secrets.Value) (*instance, error) {
	backend := sdk.NewBackend(&sdk.BackendConfig{
		HTTPClient: c.http,
		URL:        sdk.String(strings.TrimSuffix(c.config.BaseURL, "/")),
		Key:        sdk.String(string(key.Reveal())),
	})
	got := &instance{}
	if err := backend.Call(ctx, sdk.NewAPIRequest(http.MethodGet, "/instance"), got); err != nil {
		return nil, err
	}
	return got, nil
}

// Environment is the kind of instance, "production" or "development", that a
// publishable key belongs to; false if the key is not one. Its tail is the
// frontend's host and a "$" in base64, padded by older versions of Clerk's
// own libraries and unpadded by newer ones.
func Environment(publishable string) (string, bool) {
	kind := "production"
	tail, ok := strings.CutPrefix(publishable, "pk_live_")
	if !ok {
		kind = "development"
		if tail, ok = strings.CutPrefix(publishable, "pk_test_"); !ok {
			return "", false
		}
	}
	host, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(tail, "="))
	if err != nil {
		return "", false
	}
	name, last, found := strings.Cut(string(host), "$")
	return kind, found && last == "" && strings.Contains(name, ".")
}

const codeDead = "clerk_key_invalid"

// codes are the service's words that an error may repeat.
var codes = map[string]services.Kind{
	codeDead:                              services.Auth,
	"authorization_header_format_invalid": services.Auth,
	"authentication_invalid":              services.Auth,
	"authorization_invalid":               services.Permission,
	"resource_not_found":                  services.NotFound,
	"too_many_requests":                   services.Busy,
}

// judge implements services.Judge.
func judge(status int, body []byte) *services.Error {
	if status < 400 {
		return nil
	}
	var answer struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Errors) == 0 {
		return &services.Error{
			Kind: services.Outage, Message: "the answer is not Clerk's",
			Next: "check services.clerk.api in the catalog",
		}
	}
	fault := &services.Error{Kind: services.Rejected, Message: "Clerk refused the request", Next: "go run . doctor"}
	if kind, ok := codes[answer.Errors[0].Code]; ok {
		fault.Kind, fault.Code = kind, answer.Errors[0].Code
	} else if status == http.StatusUnauthorized {
		fault.Kind = services.Auth
	} else if status == http.StatusForbidden {
		fault.Kind = services.Permission
	}
	switch fault.Kind {
	case services.Auth:
		fault.Message = "the key is not accepted"
	case services.Permission:
		fault.Message = "the key may not do this"
	}
	return fault
}
