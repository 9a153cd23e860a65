package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
)

func (a *app) revokeCommand() *cobra.Command {
	var names []string
	var due, unproven, commit bool
	cmd := &cobra.Command{
		Use:   "revoke --secret NAME... [--unproven] | --due",
		Short: "Retire old values that wait for their end, and prove that they are dead",
		Long: `Retires the old value of a rotation that has brought the new one everywhere
(GRACE), on fresh proof from every consumer, and proves that it is dead.

--due takes every secret whose grace period is over and that nobody holds, and
leaves the others alone: run it every day, beside the drift check.

--unproven is for a leaked value: it dies now. Who breaks is listed, the
secret's name has to be typed (or --yes given), and a consumer or a remote of
pass that cannot be reached becomes a debt instead of a reason to wait. Where no
rotation is under way, the present value dies, and a new one is needed at once:
rotate --new --grace 0 brings it without that gap, if the service still accepts
the leaked one.`,
		Example: `  go run . revoke --due --yes
  go run . revoke --secret stripe
  go run . revoke --secret stripe --unproven`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case due && (len(names) > 0 || unproven):
				return misused("go run . revoke --due", "--due takes every secret that is due: --secret and --unproven do not go with it")
			case due:
				if err := a.everySecret(&names); err != nil {
					return err
				}
			}
			o := rotation.Options{Due: due, Unproven: unproven, Commit: commit}
			return a.carry(cmd, names, false, "revoke", func(ctx context.Context, r *rotation.Rotator, names []string) ([]rotation.Report, error) {
				return r.Revoke(ctx, names, o)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&names, "secret", "s", nil, "`NAME` of a secret in the catalog; may be repeated")
	flags.BoolVar(&due, "due", false, "every secret whose grace period is over")
	flags.BoolVar(&unproven, "unproven", false, "a leaked value dies now, whoever breaks")
	flags.BoolVar(&commit, "commit", false, "commit and push the changed config files of projects that are in git")
	a.completeNames(cmd)
	return cmd
}

// everySecret names all of the catalog.
func (a *app) everySecret(names *[]string) error {
	cat, err := a.loadCatalog()
	if err != nil {
		return err
	}
	for _, s := range cat.Secrets {
		*names = append(*names, s.Name)
	}
	return nil
}
