package scaleway

import (
	"context"
	"net/http"
	"regexp"

	iam "github.com/scaleway/scaleway-sdk-go/api/iam/v1alpha1"
	"github.com/scaleway/scaleway-sdk-go/scw"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Check asks IAM about the key itself; Account is BEARER/PROJECT. A live key
// that may not read itself is alive with Account empty.
//
// IAM authenticates the secret key alone, so a pair put together from two keys
// of one bearer can pass; only S3 (the state backend) needs both halves.
func (c *Client) Check(ctx context.Context, cred services.Credential) (services.Report, error) {
	report, err := c.check(ctx, cred)
	report.Checked = []string{AccessEntry, SecretEntry}
	return report, err
}

func (c *Client) check(ctx context.Context, cred services.Credential) (services.Report, error) {
	const op = "checking the API key"
	values, err := services.Need(Name, cred, AccessEntry, SecretEntry)
	if err != nil {
		return services.CannotTell(Name, op, err)
	}
	key, err := c.apiKey(ctx, values[0], values[1])
	if err == nil {
		return describe(key, values[0])
	}
	fault := services.Fault(Name, op, err)
	switch {
	case fault.Code == codeDenied:
		return services.Report{State: services.Dead, Detail: "Scaleway says " + fault.Message}, nil
	case fault.Kind == services.NotFound:
		return services.Report{State: services.Dead, Detail: "Scaleway accepts the secret key but has no such access key: the two do not belong together"}, nil
	case fault.Kind == services.Permission:
		return services.Report{
			State: services.Alive, Missing: []string{"IAM: read the own API key"},
			Detail: "the key may not read itself: its account, and whether its two halves belong together, is not known",
		}, nil
	}
	return services.CannotTell(Name, op, fault)
}

func describe(key *iam.APIKey, access secrets.Value) (services.Report, error) {
	bearer := bearerOf(key)
	if bearer == "" || !secrets.NewValue([]byte(key.AccessKey)).Equal(access) {
		return services.CannotTell(Name, "checking the API key", &services.Error{
			Service: Name, Kind: services.Outage, Message: "the answer is not about this key",
			Next: "check services.scaleway.api in the catalog",
		})
	}
	return services.Report{State: services.Alive, Account: bearer + "/" + key.DefaultProjectID}, nil
}

// bearerOf is the application or the user that the key belongs to.
func bearerOf(key *iam.APIKey) string {
	switch {
	case key.ApplicationID != nil:
		return *key.ApplicationID
	case key.UserID != nil:
		return *key.UserID
	}
	return ""
}

var validAccess = regexp.MustCompile(`^SCW[A-Z0-9]{17}$`)

// apiKey is written over the SDK's own Do, because the SDK's method asks for
// /metadata besides, without the caller's context.
func (c *Client) apiKey(ctx context.Context, access, secret secrets.Value) (*iam.APIKey, error) {
	client, err := c.sdk(access, secret)
	if err != nil {
		return nil, err
	}
	id := string(access.Reveal())
	if !validAccess.MatchString(id) {
		return nil, &services.Error{Service: Name, Kind: services.Rejected, Message: "the access key is not SCW and 17 characters", Next: nextDoctor}
	}
	key := &iam.APIKey{}
	err = client.Do(&scw.ScalewayRequest{Method: http.MethodGet, Path: "/iam/v1alpha1/api-keys/" + id}, key, scw.WithContext(ctx))
	return key, err
}
