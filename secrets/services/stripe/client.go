// Package stripe checks Stripe keys and lists webhook endpoints.
package stripe

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	sdk "github.com/stripe/stripe-go/v84"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Name is the service's name in the catalog and in errors.
const Name = "stripe"

// KeyEntry is the entry that Check reads. The signing secret of a webhook has
// no door to knock at.
const KeyEntry = "secret-key"

// Config says where the API is, without /v1.
type Config struct {
	BaseURL string
	HTTP    *http.Client
	Limits  services.Limits
}

// Client talks to Stripe. It holds no key.
type Client struct {
	config Config
	http   *http.Client
}

// New makes a client. No request is sent.
func New(c Config) *Client {
	service := services.Service{Name: Name, Judge: judge}
	return &Client{config: c, http: service.HTTP(c.HTTP, c.Limits)}
}

// sdk makes the SDK's client for one key; nothing of it is global.
func (c *Client) sdk(key secrets.Value) *sdk.Client {
	b := backend{base: c.config.BaseURL, http: c.http}
	return sdk.NewClient(string(key.Reveal()), sdk.WithBackends(&sdk.Backends{API: b, Connect: b, Uploads: b, MeterEvents: b}))
}

// get is a request without the SDK.
func (c *Client) get(ctx context.Context, key secrets.Value, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.config.BaseURL, "/")+path, nil)
	if err != nil {
		return &services.Error{Service: Name, Kind: services.Rejected, Message: "the API's address is not a URL", Next: "check services.stripe.api in the catalog"}
	}
	req.Header.Set("Authorization", "Bearer "+string(key.Reveal()))
	req.Header.Set("Stripe-Version", sdk.APIVersion)
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return json.NewDecoder(res.Body).Decode(out)
}

// Check asks for the balance, which any key but a restricted one may read, and
// for the account. 401 means dead, 403 alive but restricted.
func (c *Client) Check(ctx context.Context, cred services.Credential) (services.Report, error) {
	report, err := c.check(ctx, cred)
	report.Checked = []string{KeyEntry}
	return report, err
}

func (c *Client) check(ctx context.Context, cred services.Credential) (services.Report, error) {
	const op = "checking the key"
	values, err := services.Need(Name, cred, KeyEntry)
	if err != nil {
		return services.CannotTell(Name, op, err)
	}
	report := services.Report{State: services.Alive, Mode: modeOf(values[0])}
	live, err := c.readBalance(ctx, values[0])
	switch services.KindOf(err) {
	case services.Auth:
		return services.Report{State: services.Dead, Detail: "Stripe does not accept the key"}, nil
	case services.Permission:
		report.Missing = append(report.Missing, "rak_balance_read")
	default:
		if err != nil {
			return services.CannotTell(Name, op, err)
		}
		report.Mode = mode(live)
	}
	id, err := c.readAccount(ctx, values[0])
	switch services.KindOf(err) {
	case services.Permission:
		report.Detail = "the key may not read its account"
	case services.Auth:
		return services.Report{State: services.Dead, Detail: "Stripe does not accept the key"}, nil
	default:
		if err != nil {
			return services.CannotTell(Name, op, err)
		}
		report.Account = id
	}
	return report, nil
}

func (c *Client) readBalance(ctx context.Context, key secrets.Value) (live bool, err error) {
	got, err := c.sdk(key).V1Balance.Retrieve(ctx, nil)
	if err != nil {
		return false, services.Fault(Name, "reading the balance", err)
	}
	if got.Object != "balance" {
		return false, foreign()
	}
	return got.Livemode, nil
}

func (c *Client) readAccount(ctx context.Context, key secrets.Value) (id string, err error) {
	got, err := c.sdk(key).V1Accounts.Retrieve(ctx, nil)
	if err != nil {
		return "", services.Fault(Name, "reading the account", err)
	}
	if got.ID == "" {
		return "", foreign()
	}
	return got.ID, nil
}

func mode(live bool) string {
	if live {
		return "live"
	}
	return "test"
}

// modeOf reads the mode off the key, for keys that may not read the balance.
func modeOf(key secrets.Value) string {
	text := string(key.Reveal())
	switch {
	case strings.HasPrefix(text, "sk_live_"), strings.HasPrefix(text, "rk_live_"):
		return "live"
	case strings.HasPrefix(text, "sk_test_"), strings.HasPrefix(text, "rk_test_"):
		return "test"
	}
	return ""
}

// judge implements services.Judge. Stripe's messages quote masked keys and
// account ids; only the code is taken.
func judge(status int, body []byte) *services.Error {
	if status < 400 {
		return nil
	}
	var answer struct {
		Error *struct {
			Code string `json:"code"`
			Type string `json:"type"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Error == nil || answer.Error.Type == "" {
		return foreign()
	}
	fault := &services.Error{Kind: services.Rejected, Message: "Stripe refused the request", Next: "go run . doctor"}
	switch status {
	case http.StatusUnauthorized:
		fault.Kind, fault.Message = services.Auth, "the key is not accepted"
	case http.StatusForbidden:
		fault.Kind, fault.Message = services.Permission, "the key lacks a permission"
		fault.Next = "edit the restricted key at https://dashboard.stripe.com/apikeys"
	}
	if answer.Error.Code == "api_key_expired" {
		fault.Code, fault.Message = "api_key_expired", "the key has expired"
	}
	return fault
}

func foreign() *services.Error {
	return &services.Error{
		Service: Name, Kind: services.Outage, Message: "the answer is not Stripe's",
		Next: "check services.stripe.api in the catalog",
	}
}
