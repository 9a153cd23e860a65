package cloudflare

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/cloudflare/cloudflare-go/v7/accounts"
	"github.com/cloudflare/cloudflare-go/v7/shared"
	"github.com/cloudflare/cloudflare-go/v7/user"
	"github.com/cloudflare/cloudflare-go/v7/workers"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

const opVerify = "verifying the token"

// writeGroup is the permission that Worker secrets are written with.
const writeGroup = "Workers Scripts Write"

// standing is the answer at a verify door.
type standing struct{ id, status string }

// Check verifies the token at the door of its kind and then tries what it
// should be able to read: the account, every zone, the list of Workers.
//
// Whether it may also write Worker secrets no read shows, but for one: a token
// that may read tokens shows its own policies. For any other token that stays
// open until the first write, and Detail says so.
func (c *Client) Check(ctx context.Context, cred services.Credential) (services.Report, error) {
	report, err := c.check(ctx, cred)
	report.Checked = []string{TokenEntry}
	return report, err
}

func (c *Client) check(ctx context.Context, cred services.Credential) (services.Report, error) {
	values, err := services.Need(Name, cred, TokenEntry)
	if err != nil {
		return services.CannotTell(Name, opVerify, err)
	}
	token := values[0]
	now, account, err := c.verify(ctx, token)
	if services.KindOf(err) == services.Auth && dead(err) {
		return services.Report{State: services.Dead, Detail: "Cloudflare does not know the token"}, nil
	}
	if err != nil {
		return services.CannotTell(Name, opVerify, err)
	}
	switch now.status {
	case "active":
	case "disabled", "expired":
		return services.Report{State: services.Dead, Detail: "Cloudflare says the token is " + now.status}, nil
	default:
		return services.CannotTell(Name, opVerify, &services.Error{
			Service: Name, Kind: services.Outage, Message: "the answer does not say whether the token is active", Next: nextDoctor,
		})
	}
	report := services.Report{State: services.Alive}
	if err := c.reach(ctx, token, &report); err != nil {
		return services.CannotTell(Name, "trying the token", err)
	}
	if err := c.policies(ctx, token, now.id, account, &report); err != nil {
		return services.CannotTell(Name, "reading the token's policies", err)
	}
	return report, nil
}

// dead: only these codes at a verify door say that there is no such token;
// 10000 there also means that it belongs to another account.
func dead(err error) bool {
	f := services.Fault(Name, "", err)
	return slices.Contains([]string{"1000", "6003", "6103", "6111"}, f.Code)
}

// verify asks at the right door. account: it was the account's.
func (c *Client) verify(ctx context.Context, token secrets.Value) (now standing, account bool, err error) {
	text := string(token.Reveal())
	switch {
	case strings.HasPrefix(text, "cfk_"):
		return now, false, &services.Error{
			Service: Name, Op: opVerify, Kind: services.Rejected,
			Message: "this is a global API key, not an API token",
			Next:    "create an API token at https://dash.cloudflare.com/profile/api-tokens",
		}
	case strings.HasPrefix(text, "cfat_"):
		now, err = c.verifyAccount(ctx, token)
		return now, true, err
	}
	now, err = c.verifyUser(ctx, token)
	kind := services.KindOf(err)
	if !strings.HasPrefix(text, "cfut_") && (kind == services.Auth || kind == services.Permission) {
		// The form of older tokens does not say whose they are, and a healthy
		// account token is "invalid" at the users' door.
		now, err = c.verifyAccount(ctx, token)
		return now, true, err
	}
	return now, false, err
}

func (c *Client) verifyUser(ctx context.Context, token secrets.Value) (standing, error) {
	res, err := user.NewTokenService(c.options(token)...).Verify(ctx)
	if err != nil {
		return standing{}, err
	}
	return standing{res.ID, string(res.Status)}, nil
}

func (c *Client) verifyAccount(ctx context.Context, token secrets.Value) (standing, error) {
	if err := address(opVerify, c.config.Account, "x"); err != nil {
		return standing{}, err
	}
	var params accounts.TokenVerifyParams
	params.AccountID.Value, params.AccountID.Present = c.config.Account, true
	res, err := accounts.NewTokenService(c.options(token)...).Verify(ctx, params)
	if err != nil {
		return standing{}, err
	}
	return standing{res.ID, string(res.Status)}, nil
}

// reach fills in what the token can read. An error is an outage.
func (c *Client) reach(ctx context.Context, token secrets.Value, report *services.Report) error {
	account := c.config.Account
	if validAccount.MatchString(account) {
		seen, err := c.may(c.readAccount(ctx, token, account))
		if err != nil {
			return err
		}
		if !seen {
			report.Missing = append(report.Missing, "Account Settings Read on account "+account)
		}
		listed, err := c.may(c.listWorkers(ctx, token, account))
		if err != nil {
			return err
		}
		if !listed {
			report.Missing = append(report.Missing, "Workers Scripts Read on account "+account)
		}
		if seen || listed {
			report.Account = account
		}
	}
	for _, zone := range c.config.Zones {
		seen, err := c.may(c.readZone(ctx, token, zone.ID))
		if err != nil {
			return err
		}
		if !seen {
			report.Missing = append(report.Missing, "Zone Read on zone "+zone.Name)
		}
	}
	return nil
}

// may splits the outcome of a read: allowed, refused, or not known.
func (c *Client) may(err error) (bool, error) {
	switch services.KindOf(err) {
	case services.Auth, services.Permission, services.NotFound, services.Rejected:
		return false, nil
	}
	return err == nil, err
}

func (c *Client) readAccount(ctx context.Context, token secrets.Value, account string) error {
	var params accounts.AccountGetParams
	params.AccountID.Value, params.AccountID.Present = account, true
	_, err := accounts.NewAccountService(c.options(token)...).Get(ctx, params)
	return err
}

func (c *Client) listWorkers(ctx context.Context, token secrets.Value, account string) error {
	var params workers.ScriptListParams
	params.AccountID.Value, params.AccountID.Present = account, true
	_, err := workers.NewScriptService(c.options(token)...).List(ctx, params)
	return err
}

// readZone is written out because the SDK's zones package would add a third to
// the build time for one GET.
func (c *Client) readZone(ctx context.Context, token secrets.Value, zone string) error {
	if !validZone.MatchString(zone) {
		return &services.Error{Service: Name, Kind: services.Rejected, Message: "the zone id is not 32 hexadecimal digits", Next: nextDoctor}
	}
	return c.send(ctx, token, http.MethodGet, "/zones/"+zone, nil, nil)
}

// policies looks whether the token's own policies let it write Worker secrets.
// Most tokens may not read them, which is no fault.
func (c *Client) policies(ctx context.Context, token secrets.Value, id string, ofAccount bool, report *services.Report) error {
	own, err := c.details(ctx, token, id, ofAccount)
	if readable, err := c.may(err); err != nil || !readable {
		report.Detail = "the token may not read its own policies: whether it may write Worker secrets shows in the write"
		return err
	}
	for _, policy := range own.Policies {
		for _, group := range policy.PermissionGroups {
			// Cloudflare names a group by what it is about and Read, Write, Edit, Run….
			if policy.Effect == shared.TokenPolicyEffectAllow && !strings.HasSuffix(group.Name, " Read") && !slices.Contains(report.Writes, group.Name) {
				report.Writes = append(report.Writes, group.Name)
			}
		}
	}
	slices.Sort(report.Writes)
	if slices.Contains(report.Writes, writeGroup) {
		report.Detail = "the token's own policies let it write Worker secrets"
		return nil
	}
	report.Missing = append(report.Missing, writeGroup)
	return nil
}

func (c *Client) details(ctx context.Context, token secrets.Value, id string, ofAccount bool) (*shared.Token, error) {
	if !validAccount.MatchString(id) {
		return nil, &services.Error{Service: Name, Kind: services.Rejected, Message: "the token's id is not known"}
	}
	if !ofAccount {
		return user.NewTokenService(c.options(token)...).Get(ctx, id)
	}
	var params accounts.TokenGetParams
	params.AccountID.Value, params.AccountID.Present = c.config.Account, true
	return accounts.NewTokenService(c.options(token)...).Get(ctx, id, params)
}
