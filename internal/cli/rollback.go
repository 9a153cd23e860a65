package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
)

func (a *app) rollbackCommand() *cobra.Command {
	var names []string
	var allowOther, commit bool
	cmd := &cobra.Command{
		Use:   "rollback --secret NAME...",
		Short: "Take every consumer back to the value from before an unfinished rotation",
		Long: `Takes an unfinished rotation back: every consumer and pass get the old value
again and prove it, then the new value is retired and proven dead.

It works until the old value is being retired (REVOKING), and only while the
service still accepts the old value; where it does not, this says so and the
rotation can only go on. A rollback that was interrupted goes on with the same
command, or with rotate.`,
		Example: `  go run . rollback --secret clerk
  go run . status      what is unfinished`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := rotation.Options{AllowOther: allowOther, Commit: commit}
			return a.carry(cmd, names, false, "rollback", func(ctx context.Context, r *rotation.Rotator, names []string) ([]rotation.Report, error) {
				return r.Rollback(ctx, names, o)
			})
		},
	}
	cmd.Flags().StringArrayVarP(&names, "secret", "s", nil, "`NAME` of a secret in the catalog; may be repeated")
	cmd.Flags().BoolVar(&allowOther, "allow-other-changes", false, "go ahead although the preview holds changes that are not the secrets")
	cmd.Flags().BoolVar(&commit, "commit", false, "commit and push the changed config files of projects that are in git")
	a.completeNames(cmd)
	return cmd
}

// carry opens a session for a command on secrets, does it and prints the reports.
func (a *app) carry(cmd *cobra.Command, wanted []string, all bool, command string, do func(context.Context, *rotation.Rotator, []string) ([]rotation.Report, error)) error {
	cat, err := a.loadCatalog()
	if err != nil {
		return err
	}
	names, err := chosen(cat, wanted, all, command)
	if err != nil {
		return err
	}
	s, err := a.open(cmd.Context())
	if err != nil {
		return err
	}
	reports, err := do(cmd.Context(), s.rotator(), names)
	return errors.Join(err, s.finish(reports, err))
}

func (a *app) holdCommand() *cobra.Command {
	var names []string
	var off bool
	cmd := &cobra.Command{
		Use:   "hold --secret NAME... [--off]",
		Short: "Keep an old value alive until the hold is taken off",
		Long: `Keeps the old value of a rotation from being retired, whatever its grace period
says, until --off. A rotation that runs at this moment ends where it would retire
the old value; where none is under way, the hold is in force for the next one.`,
		Example: `  go run . hold --secret clerk
  go run . hold --secret clerk --off`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.carry(cmd, names, false, "hold", func(ctx context.Context, r *rotation.Rotator, names []string) ([]rotation.Report, error) {
				var reports []rotation.Report
				for _, name := range names {
					report, err := r.Hold(ctx, name, off)
					if err != nil {
						return reports, err
					}
					r.Watch.Begin(name, "").Done(heldText(report, off))
					reports = append(reports, report)
				}
				return reports, nil
			})
		},
	}
	cmd.Flags().StringArrayVarP(&names, "secret", "s", nil, "`NAME` of a secret in the catalog; may be repeated")
	cmd.Flags().BoolVar(&off, "off", false, "take the hold off")
	a.completeNames(cmd)
	return cmd
}

func heldText(r rotation.Report, off bool) string {
	switch {
	case off:
		return "no hold: its old value is retired when its time is over"
	case r.State.Finished():
		return "on hold: the old value of its next rotation stays until the hold is taken off"
	case r.State == journal.Revoking:
		return "on hold, but its old value is being retired already"
	}
	return "on hold: its old value stays until the hold is taken off"
}
