package cloudflare

import (
	"context"
	"fmt"
	"slices"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/workers"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Cloudflare's limits.
const (
	// MaxSecrets is how many names one bulk request may carry.
	MaxSecrets = 100
	// MaxSecretBytes is the longest value of a Worker secret.
	MaxSecretBytes = 5 * 1024
)

// Names lists the names of a Worker's secrets, sorted.
func (c *Client) Names(ctx context.Context, token secrets.Value, account, worker string) ([]string, error) {
	op := "listing secrets of Worker " + worker
	if err := address(op, account, worker); err != nil {
		return nil, err
	}
	var params workers.ScriptSecretListParams
	params.AccountID.Value, params.AccountID.Present = account, true
	page, err := workers.NewScriptSecretService(c.options(token)...).List(ctx, worker, params)
	if err != nil {
		return nil, fault(op, worker, err)
	}
	names := make([]string, 0, len(page.Result))
	for _, s := range page.Result {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names, nil
}

// Bulk writes secrets of a Worker in one request, which makes one version:
// either all of them change or none. It never deletes. At most MaxSecrets
// names, because two requests could tear a pair, and MaxSecretBytes a value.
// The same call may be repeated.
func (c *Client) Bulk(ctx context.Context, token secrets.Value, account, worker string, set map[string]secrets.Value) error {
	op := "writing secrets of Worker " + worker
	if err := address(op, account, worker); err != nil {
		return err
	}
	if err := sendable(op, set); err != nil {
		return err
	}
	var params workers.ScriptSecretBulkUpdateParams
	params.AccountID.Value, params.AccountID.Present = account, true
	params.Secrets.Present = true
	params.Secrets.Value = make(map[string]workers.ScriptSecretBulkUpdateParamsSecretsUnion, len(set))
	for name, value := range set {
		params.Secrets.Value[name] = secretText(name, value)
	}
	// The other media type it takes, plain JSON, is not documented to merge.
	opts := append(c.options(token), option.WithHeader("Content-Type", "application/merge-patch+json"))
	_, err := workers.NewScriptSecretService(opts...).BulkUpdate(ctx, worker, params)
	if err == nil {
		return nil
	}
	f := fault(op, worker, err)
	if f.Kind == services.Outage || f.Kind == services.Canceled {
		f.Message += "; whether the secrets were written is not known"
		f.Next = "go run . verify, then the same command again (it may be repeated)"
	}
	return f
}

func secretText(name string, value secrets.Value) workers.ScriptSecretBulkUpdateParamsSecretsWorkersBindingKindSecretText {
	var s workers.ScriptSecretBulkUpdateParamsSecretsWorkersBindingKindSecretText
	s.Name.Value, s.Name.Present = name, true
	s.Text.Value, s.Text.Present = string(value.Reveal()), true
	s.Type.Value, s.Type.Present = workers.ScriptSecretBulkUpdateParamsSecretsWorkersBindingKindSecretTextTypeSecretText, true
	return s
}

// sendable refuses what Cloudflare would refuse, or what would delete.
func sendable(op string, set map[string]secrets.Value) error {
	refuse := func(format string, args ...any) error {
		return &services.Error{
			Service: Name, Op: op, Kind: services.Rejected,
			Message: fmt.Sprintf(format, args...), Next: "go run . catalog validate",
		}
	}
	if len(set) == 0 {
		return refuse("no secret to write")
	}
	if len(set) > MaxSecrets {
		return refuse("%d secrets, but one request carries at most %d", len(set), MaxSecrets)
	}
	for name, value := range set {
		if name == "" || value.IsZero() {
			return refuse("secret %q has no name or no value", name)
		}
		if value.Len() > MaxSecretBytes {
			return refuse("secret %s has %d bytes, but a Worker secret holds at most %d", name, value.Len(), MaxSecretBytes)
		}
	}
	return nil
}

// Deployable reports whether the Worker's secrets can be changed now: a
// NotFound error where there is no such Worker, NotDeployed where its newest
// version is not the one that serves all traffic (Cloudflare refuses secret
// edits then, code 10215).
func (c *Client) Deployable(ctx context.Context, token secrets.Value, account, worker string) error {
	op := "reading deployments of Worker " + worker
	if err := address(op, account, worker); err != nil {
		return err
	}
	newest, err := c.newest(ctx, token, account, worker)
	if err != nil {
		return fault(op, worker, err)
	}
	var params workers.ScriptDeploymentListParams
	params.AccountID.Value, params.AccountID.Present = account, true
	list, err := workers.NewScriptDeploymentService(c.options(token)...).List(ctx, worker, params)
	if err != nil {
		return fault(op, worker, err)
	}
	refusal := &services.Error{Service: Name, Op: op, Kind: services.NotDeployed, Next: "wrangler deployments list --name " + worker + ", then wrangler versions deploy --name " + worker}
	if newest == "" || len(list.Deployments) == 0 {
		refusal.Message = "no version of the Worker is deployed"
		return refusal
	}
	serving := list.Deployments[0].Versions
	if len(serving) != 1 || serving[0].VersionID != newest || serving[0].Percentage != 100 {
		refusal.Message = "the newest version does not serve all traffic, so secrets cannot be edited"
		return refusal
	}
	return nil
}

// newest is the id of the newest version, "" if there is none.
func (c *Client) newest(ctx context.Context, token secrets.Value, account, worker string) (string, error) {
	var params workers.ScriptVersionListParams
	params.AccountID.Value, params.AccountID.Present = account, true
	page, err := workers.NewScriptVersionService(c.options(token)...).List(ctx, worker, params)
	if err != nil || len(page.Result.Items) == 0 {
		return "", err
	}
	return page.Result.Items[0].ID, nil
}

// fault adds the Worker's name to the steps that need it.
func fault(op, worker string, err error) *services.Error {
	f := services.Fault(Name, op, err)
	if f.Kind == services.NotDeployed {
		f.Next = "wrangler deployments list --name " + worker + ", then wrangler versions deploy --name " + worker
	}
	return f
}

// Writer writes Worker secrets with one token.
type Writer struct {
	client *Client
	token  secrets.Value
}

// Writer binds a token, for those who may write but not see it.
func (c *Client) Writer(token secrets.Value) *Writer { return &Writer{client: c, token: token} }

// Names is Client.Names.
func (w *Writer) Names(ctx context.Context, account, worker string) ([]string, error) {
	return w.client.Names(ctx, w.token, account, worker)
}

// Bulk is Client.Bulk.
func (w *Writer) Bulk(ctx context.Context, account, worker string, set map[string]secrets.Value) error {
	return w.client.Bulk(ctx, w.token, account, worker, set)
}
