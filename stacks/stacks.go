// Package stacks says what exists: Pulumi programs built from the catalog, one
// file per kind of consumer. A program knows names only; every secret value
// reaches it as a config secret of its stack.
package stacks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// Program is what an inline stack runs.
type Program = pulumi.RunFunc

// accountPattern is the shape of an account id. A resource's id joins account,
// Worker and name with slashes, so none may stand in it.
var accountPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Declared builds the program of a stack that the catalog declares: every
// secret of every Worker in it, and the secret variables of every container and
// namespace and every Actions secret, as resources. accountID is the Cloudflare account, an identifier
// and not a secret; only Workers need it. The program takes values only from
// the stack's config: its address is open to every local user while it runs,
// and would hand out what a closure holds.
func Declared(cat *secrets.Catalog, stack, accountID string) (Program, error) {
	s, ok := cat.Stack(stack)
	if !ok {
		return nil, fmt.Errorf("building stack %q: the catalog does not have it", stack)
	}
	if !s.Declared {
		return nil, fmt.Errorf("building stack %q: it is an existing project (%s) with its own program", stack, s.Dir)
	}
	refs, err := refs(cat, s)
	if err != nil {
		return nil, fmt.Errorf("building stack %q: %w", stack, err)
	}
	hasWorker := slices.ContainsFunc(refs, func(r Ref) bool { return r.Worker != "" })
	if hasWorker && !accountPattern.MatchString(accountID) {
		return nil, fmt.Errorf("building stack %q: the Cloudflare account id is not one: %d characters, expected letters and digits",
			stack, len(accountID))
	}
	return func(ctx *pulumi.Context) error {
		done := map[hosted.Holder]bool{}
		for _, ref := range refs {
			var err error
			switch {
			case ref.Worker != "":
				err = workerSecret(ctx, accountID, ref)
			case ref.Place.Kind.Package() == hosted.GitHub:
				err = actionsSecret(ctx, ref)
			case !done[ref.Place]:
				done[ref.Place] = true
				err = variables(ctx, ref.Place, refs)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// ConfigKey is the config key of a consumer's secret in a declared stack:
// CLERK_SECRET_KEY becomes clerk-secret-key.
func ConfigKey(secretName string) string {
	return strings.ToLower(strings.ReplaceAll(secretName, "_", "-"))
}

// value is the config secret of ref. A key that is missing, or that stands in
// the config without encryption, is an error: its value must not go further.
func value(ctx *pulumi.Context, ref Ref) (pulumi.StringOutput, error) {
	key := ctx.Project() + ":" + ref.Key
	if _, ok := ctx.GetConfig(key); ok && !ctx.IsConfigSecret(key) {
		return pulumi.StringOutput{}, fmt.Errorf(
			"reading config %s of stack %s: it is stored in plain text, set it as a secret", ref.Key, ctx.Stack())
	}
	out, err := config.New(ctx, "").TrySecret(ref.Key)
	if err != nil {
		// The SDK's error is dropped: it advises to type the value into a shell.
		return pulumi.StringOutput{}, fmt.Errorf("reading config %s of stack %s: it is not set (secret %s, entry %s)",
			ref.Key, ctx.Stack(), ref.Secret, ref.Entry)
	}
	return out, nil
}
