package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func (a *app) adoptCommand() *cobra.Command {
	var names []string
	o := rotation.Options{}
	cmd := &cobra.Command{
		Use:   "adopt [--secret NAME...]",
		Short: "Take over secrets that were rolled out by hand, without changing a consumer",
		Long: `Takes over what is in use already (default: every secret of the catalog). The
secrets that a Worker has go into the state of the declared stack without a
write, every consumer is asked which value it runs with, and the journal gets
pass's value as the one in use. Nothing is issued and nothing is retired.

A secret of which another value stands somewhere is not adopted: it is said
where, and what mends it. --roll brings pass's value there first, with the same
preview, up and proof as a rotation. What a consumer does not prove is named as
not proven, here and by status. The age goes on counting from pass's history.

Every secret stands for itself. The same command goes on after an interruption,
and says so where there is nothing to do.
Exit codes: 0 ok, 1 not adopted, 2 usage, 4 a consumer did not prove its value,
5 locked by another.`,
		Example: `  go run . adopt
  go run . adopt --secret clerk --preview
  go run . adopt --secret clerk --roll`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.adopt(cmd, names, o) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&names, "secret", "s", nil, "`NAME` of a secret in the catalog; may be repeated")
	flags.BoolVar(&o.Roll, "roll", false, "bring pass's value to consumers that do not prove it; nothing is issued or retired")
	flags.BoolVar(&o.Anew, "anew", false, "with --roll: look at all anew, also where every consumer proves pass's value; what stands then is the known state")
	flags.BoolVar(&o.CreateKeys, "create-keys", false, "with --roll: make config keys that the catalog names and the stack does not have")
	flags.BoolVar(&o.PreviewOnly, "preview", false, "stop after the masked preview; nothing is changed")
	a.completeNames(cmd)
	return cmd
}

func (a *app) adopt(cmd *cobra.Command, names []string, o rotation.Options) error {
	cat, err := a.loadCatalog()
	if err != nil {
		return err
	}
	if o.Anew && !o.Roll {
		return misused("go run . adopt --roll --anew", "--anew goes with --roll")
	}
	if len(names) == 0 {
		names = allNames(cat)
	} else if names, err = chosen(cat, names, false, "adopt"); err != nil {
		return err
	}
	s, err := a.open(cmd.Context())
	if err != nil {
		return err
	}
	o.Unattended = !o.PreviewOnly && (a.opts.yes || !a.interactive())
	reports, err := s.rotator().Adopt(cmd.Context(), names, o)
	if err != nil {
		return errors.Join(err, s.finish(reports, err))
	}
	return errors.Join(s.finish(reports, nil), verdict(reports))
}

func allNames(cat *secrets.Catalog) []string {
	out := make([]string, 0, len(cat.Secrets))
	for _, s := range cat.Secrets {
		out = append(out, s.Name)
	}
	return out
}
