package scaleway

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	iam "github.com/scaleway/scaleway-sdk-go/api/iam/v1alpha1"
	"github.com/scaleway/scaleway-sdk-go/scw"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

const (
	keysPath = "/iam/v1alpha1/api-keys"
	console  = "https://console.scaleway.com/iam/api-keys"
	// maxLabel is the longest label in bytes; a description may have 200
	// characters.
	maxLabel = 120
)

// Ready implements services.Issuer: the key may list its bearer's keys and can
// itself be deleted. IAM shows neither whether the key may also write, nor the
// quota: both show when a key is made.
func (c *Client) Ready(ctx context.Context, with services.Credential) error {
	const op = "asking whether the key may make another"
	own, err := c.own(ctx, op, with)
	if err != nil {
		return err
	}
	if own.Managed || !own.Deletable {
		return &services.Error{
			Service: Name, Op: op, Kind: services.Rejected, Message: "the key is managed by Scaleway and cannot be deleted",
			Next: "make the new key at " + console,
		}
	}
	if _, err := c.keysOf(ctx, with, own); err != nil {
		return living(op, err)
	}
	return nil
}

// Identify implements services.Issuer. IAM does not record when a key was last
// used.
func (c *Client) Identify(ctx context.Context, cred services.Credential) (services.Issued, error) {
	own, err := c.own(ctx, "reading the key's record", cred)
	if err != nil {
		return services.Issued{}, err
	}
	return issued(own), nil
}

// Issue implements services.Issuer: a second key of the same bearer, whose
// policies are what a key may do, with the same default project.
func (c *Client) Issue(ctx context.Context, with services.Credential, o services.Order) (services.Issued, error) {
	const op = "making an API key"
	if len(o.Label) == 0 || len(o.Label) > maxLabel {
		return services.Issued{}, &services.Error{
			Service: Name, Op: op, Kind: services.Rejected, Message: "the label has not 1 to 120 bytes", Next: nextDoctor,
		}
	}
	own, err := c.own(ctx, op, with)
	if err != nil {
		return services.Issued{}, err
	}
	order := &iam.CreateAPIKeyRequest{ApplicationID: own.ApplicationID, UserID: own.UserID, Description: o.Label}
	if own.DefaultProjectID != "" {
		order.DefaultProjectID = &own.DefaultProjectID
	}
	if !o.Expires.IsZero() {
		end := o.Expires.UTC().Truncate(time.Second)
		order.ExpiresAt = &end
	}
	client, err := c.sdkOver(c.once, with[AccessEntry], with[SecretEntry])
	if err != nil {
		return services.Issued{}, services.Fault(Name, op, err)
	}
	request := &scw.ScalewayRequest{Method: http.MethodPost, Path: keysPath}
	if err := request.SetBody(order); err != nil {
		return services.Issued{}, &services.Error{Service: Name, Op: op, Kind: services.Rejected, Message: "the request could not be built"}
	}
	made := &iam.APIKey{}
	if err := client.Do(request, made, scw.WithContext(ctx)); err != nil {
		return services.Issued{}, refused(op, err)
	}
	if made.SecretKey == nil || *made.SecretKey == "" || !validAccess.MatchString(made.AccessKey) {
		return services.Issued{}, &services.Error{
			Service: Name, Op: op, Kind: services.Outage, Message: "the answer holds no key", Next: "try again",
		}
	}
	out := issued(made)
	out.Values = services.Credential{
		AccessEntry: secrets.NewValue([]byte(made.AccessKey)), SecretEntry: secrets.NewValue([]byte(*made.SecretKey)),
	}
	return out, nil
}

// refused explains why no key was made.
func refused(op string, err error) *services.Error {
	fault := living(op, err)
	if fault.Code == "quotas_exceeded" {
		fault.Message = "the quota of API keys is used up"
		fault.Next = "delete keys that nobody uses at " + console
	}
	return fault
}

// Labelled implements services.Issuer: oldest first. A key whose time is over
// is listed too, by its Expires: deleting it does no harm, and missing a living
// one because a clock is wrong would.
func (c *Client) Labelled(ctx context.Context, with services.Credential, label string) ([]services.Issued, error) {
	const op = "listing API keys"
	own, err := c.own(ctx, op, with)
	if err != nil {
		return nil, err
	}
	all, err := c.keysOf(ctx, with, own)
	if err != nil {
		return nil, living(op, err)
	}
	var out []services.Issued
	for _, k := range all {
		if k.Description == label {
			out = append(out, issued(k))
		}
	}
	slices.SortFunc(out, func(a, b services.Issued) int { return a.Created.Compare(b.Created) })
	return out, nil
}

// Delete implements services.Issuer; id is the access key.
func (c *Client) Delete(ctx context.Context, with services.Credential, id string) error {
	const op = "deleting an API key"
	if !validAccess.MatchString(id) {
		return &services.Error{
			Service: Name, Op: op, Kind: services.Rejected, Message: "the access key is not SCW and 17 characters", Next: nextDoctor,
		}
	}
	own, err := c.own(ctx, op, with)
	if err != nil {
		return err
	}
	if err = c.remove(ctx, with[SecretEntry], keysPath+"/"+id); err == nil {
		return nil
	}
	fault := living(op, err)
	switch {
	case fault.Kind == services.NotFound:
		return nil
	case fault.Kind == services.Permission && id == own.AccessKey:
		// A key that deletes itself and loses the answer is refused when the
		// request is repeated.
		if _, err := c.own(ctx, op, with); services.KindOf(err) == services.Auth {
			return nil
		}
	}
	return fault
}

// own reads the record of the key that a request is to be made with.
func (c *Client) own(ctx context.Context, op string, with services.Credential) (*iam.APIKey, error) {
	values, err := services.Need(Name, with, AccessEntry, SecretEntry)
	if err != nil {
		return nil, services.Fault(Name, op, err)
	}
	key, err := c.apiKey(ctx, values[0], values[1])
	if err != nil {
		fault := services.Fault(Name, op, err)
		if fault.Kind == services.Auth && fault.Code != codeDenied {
			// Refused in words that do not say that the key is unknown.
			fault.Kind = services.Permission
		}
		return nil, fault
	}
	if report, err := describe(key, values[0]); err != nil {
		fault := services.Fault(Name, op, err)
		fault.Op, fault.Message = op, report.Detail
		return nil, fault
	}
	return key, nil
}

// nextBearer is the step where a living key lacks a permission.
const nextBearer = "give the key's bearer the permission set IAMManager at https://console.scaleway.com/iam/policies, or make the new key at " + console

// living explains an error of a request by a key that has just read itself: a
// refusal is about what it may do, never a sign of death.
func living(op string, err error) *services.Error {
	fault := services.Fault(Name, op, err)
	if fault.Kind == services.Auth || fault.Kind == services.Permission {
		fault.Kind, fault.Message, fault.Next = services.Permission, "the key may not do this", nextBearer
	}
	return fault
}

// keysOf lists all keys of the bearer. The API can filter by description, but
// does not say whether whole, so labels are compared here.
func (c *Client) keysOf(ctx context.Context, with services.Credential, own *iam.APIKey) ([]*iam.APIKey, error) {
	client, err := c.sdk(with[AccessEntry], with[SecretEntry])
	if err != nil {
		return nil, err
	}
	request := &scw.ScalewayRequest{
		Method: http.MethodGet, Path: keysPath,
		Query: url.Values{"bearer_id": {bearerOf(own)}, "page_size": {"100"}, "order_by": {"created_at_asc"}},
	}
	var list iam.ListAPIKeysResponse
	if err := client.Do(request, &list, scw.WithContext(ctx), scw.WithAllPages()); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(list.APIKeys, func(k *iam.APIKey) bool { return k.AccessKey == own.AccessKey }) {
		// Without this, any {} would be an empty list.
		return nil, &services.Error{
			Service: Name, Kind: services.Outage, Message: "the list of the bearer's keys does not show the key itself",
			Next: "check services.scaleway.api in the catalog, then try again",
		}
	}
	return list.APIKeys, nil
}

func issued(k *iam.APIKey) services.Issued {
	at := func(t *time.Time) time.Time {
		if t == nil {
			return time.Time{}
		}
		return *t
	}
	return services.Issued{ID: k.AccessKey, Label: k.Description, Created: at(k.CreatedAt), Expires: at(k.ExpiresAt)}
}
