// Package sightengine checks Sightengine's API credentials.
package sightengine

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Name is the service's name in the catalog and in errors.
const Name = "sightengine"

// The entries that Check reads, which change together.
const (
	UserEntry   = "api-user"
	SecretEntry = "api-secret"
)

// Config says where the API is, without /1.0.
type Config struct {
	BaseURL string
	HTTP    *http.Client
	Limits  services.Limits
}

// Client talks to Sightengine. It holds no credential.
type Client struct {
	config Config
	http   *http.Client
}

// New makes a client. No request is sent.
func New(c Config) *Client {
	// The POST analyses nothing, so it may be sent again.
	service := services.Service{Name: Name, Judge: judge, Repeat: true, AnyMedia: true}
	return &Client{config: c, http: service.HTTP(c.HTTP, c.Limits)}
}

// Check asks for an analysis without giving a picture. Sightengine has no
// address that only looks at the credential; it refuses a wrong pair as such
// and a right one for want of the picture, which costs no operation. The pair
// goes into the body: a query would stand in logs.
//
// That the pair is looked at before the picture is not documented, so an
// "alive" is worth as much as the negative control beside it.
func (c *Client) Check(ctx context.Context, cred services.Credential) (services.Report, error) {
	report, err := c.check(ctx, cred)
	report.Checked = []string{UserEntry, SecretEntry}
	return report, err
}

func (c *Client) check(ctx context.Context, cred services.Credential) (services.Report, error) {
	const op = "checking the pair"
	values, err := services.Need(Name, cred, UserEntry, SecretEntry)
	if err != nil {
		return services.CannotTell(Name, op, err)
	}
	form := url.Values{
		"models":     {"nudity-2.1"},
		"api_user":   {string(values[0].Reveal())},
		"api_secret": {string(values[1].Reveal())},
	}
	address := strings.TrimSuffix(c.config.BaseURL, "/") + "/1.0/check.json"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return services.CannotTell(Name, op, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.http.Do(req)
	if err == nil {
		return services.Report{State: services.Alive}, res.Body.Close()
	}
	fault := services.Fault(Name, op, err)
	switch {
	case fault.Kind == services.Auth:
		return services.Report{State: services.Dead, Detail: "Sightengine does not accept the pair"}, nil
	case fault.Code == "usage_limit":
		return services.Report{State: services.Alive, Detail: "the plan's usage limit is reached"}, nil
	case fault.Code == "plan_error":
		return services.Report{State: services.Alive, Missing: []string{"the model nudity-2.1 in the plan"}}, nil
	case fault.Kind == services.Rejected && (fault.Code == "media_error" || fault.Code == "argument_error"):
		return services.Report{State: services.Alive}, nil
	}
	return services.CannotTell(Name, op, fault)
}

// wrongPair is the message of the vendor's own example, which carries the type
// argument_error although credentials_error exists.
const wrongPair = "incorrect api user or api secret"

// judge implements services.Judge.
func judge(status int, body []byte) *services.Error {
	var answer struct {
		Status string `json:"status"`
		Error  struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"error"`
	}
	foreign := &services.Error{
		Kind: services.Outage, Message: "the answer is not Sightengine's",
		Next: "check services.sightengine.api in the catalog",
	}
	if json.Unmarshal(body, &answer) != nil {
		return foreign
	}
	if answer.Status == "success" && status < 400 {
		return nil
	}
	if answer.Status != "failure" {
		return foreign
	}
	fault := &services.Error{Kind: services.Rejected, Message: "Sightengine refused the request", Next: "go run . doctor"}
	switch answer.Error.Type {
	case "credentials_error":
		fault.Kind = services.Auth
	case "argument_error":
		if strings.Contains(strings.ToLower(answer.Error.Message), wrongPair) {
			fault.Kind = services.Auth
		}
	case "media_error", "plan_error", "usage_limit":
	case "api_error", "request_error", "callback_error", "unknown_error":
		fault.Kind, fault.Message = services.Outage, "Sightengine could not deal with the request"
	default:
		return foreign
	}
	if fault.Kind == services.Auth {
		fault.Message = "the pair is not accepted"
	}
	fault.Code = answer.Error.Type
	return fault
}
