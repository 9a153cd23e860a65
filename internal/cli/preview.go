package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func (a *app) previewCommand() *cobra.Command {
	var names, stacks []string
	cmd := &cobra.Command{
		Use:   "preview",
		Short: "Show what an up would change, masked",
		Long: `Shows what an up of the stacks would change now, without changing anything:
names, stacks and fingerprints, never a value. To see what a rotation would do,
add --preview to rotate.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cat, err := a.loadCatalog()
			if err != nil {
				return err
			}
			chosen, err := stacksOf(cat, names, stacks, "preview")
			if err != nil {
				return err
			}
			s, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			plan, err := s.rotator().Preview(cmd.Context(), chosen)
			s.progress.Close()
			if err == nil && a.opts.json {
				err = printJSON(s.out, previewDocument(plan))
			} else if err == nil {
				printPlan(s.out, a.resultStyle(), a.width(), plan)
			}
			return errors.Join(err, s.close())
		},
	}
	cmd.Flags().StringArrayVarP(&names, "secret", "s", nil, "only the stacks that hold the secret `NAME`; may be repeated")
	cmd.Flags().StringArrayVar(&stacks, "stack", nil, "only the stack `NAME` of the catalog; may be repeated")
	a.completeNames(cmd)
	return cmd
}

// stacksOf are the catalog's stacks that are meant: the named ones, those of
// the named secrets, or all.
func stacksOf(cat *secrets.Catalog, names, stacks []string, command string) ([]string, error) {
	var all []string
	for _, s := range cat.Stacks {
		all = append(all, s.Name)
	}
	for _, n := range stacks {
		if !slices.Contains(all, n) {
			if several := strings.Split(n, ","); len(several) > 1 {
				return nil, misused(typed(command, "--stack", strings.Join(several, " --stack ")), "--stack takes one name: repeat the flag")
			}
			text, meant := notFound("stack", n, all)
			if meant == "" {
				return nil, misused(typed(command, "--stack", all[0]), "%s; the catalog has %s", text, strings.Join(all, ", "))
			}
			return nil, misused(typed(command, "--stack", meant), "%s", text)
		}
	}
	if len(names) == 0 && len(stacks) == 0 {
		return all, nil
	}
	if len(names) > 0 {
		secretNames, err := chosen(cat, names, false, command)
		if err != nil {
			return nil, err
		}
		for _, n := range secretNames {
			s, _ := cat.Secret(n)
			for _, c := range s.Consumers {
				if c.Stack != "" {
					stacks = append(stacks, c.Stack)
				}
			}
		}
	}
	slices.Sort(stacks)
	return slices.Compact(stacks), nil
}

// showPlan prints what a rotation would do, where that is the result.
func (s *session) showPlan(p *rotation.Plan) {
	if !s.app.opts.json {
		printPlan(s.out, s.app.resultStyle(), s.app.width(), p)
	}
}

// previewDocument is the JSON form of a preview.
func previewDocument(p *rotation.Plan) any {
	type change struct {
		Op         string   `json:"op"`
		Name       string   `json:"name"`
		Type       string   `json:"type"`
		SecretOnly bool     `json:"secret_only"`
		Diffs      []string `json:"diffs"`
	}
	type stack struct {
		Name    string   `json:"name"`
		Changes []change `json:"changes"`
		Seconds float64  `json:"seconds"`
	}
	out := struct {
		Stacks []stack `json:"stacks"`
	}{Stacks: []stack{}}
	for _, s := range p.Stacks {
		one := stack{Name: s.Name, Changes: []change{}, Seconds: s.Seconds}
		for _, c := range s.Changes {
			one.Changes = append(one.Changes, change{Op: c.Op, Name: c.Name, Type: c.Type, SecretOnly: c.SecretOnly, Diffs: append([]string{}, c.Diffs...)})
		}
		out.Stacks = append(out.Stacks, one)
	}
	return out
}

func (a *app) verifyCommand() *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Ask every consumer which value it runs with now",
		Long: `Asks every consumer of the secrets (default: all that have one) which value it
runs with, and changes nothing. Exit codes: 0 every consumer runs with pass's
value, 3 one runs with another or the value is revoked, 4 one could not be asked
or did not prove it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cat, err := a.loadCatalog()
			if err != nil {
				return err
			}
			names, err := chosen(cat, names, len(names) == 0, "verify")
			if err != nil {
				return err
			}
			s, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			reports, err := s.rotator().Verify(cmd.Context(), names)
			return errors.Join(err, s.finish(reports, err), verdict(reports))
		},
	}
	cmd.Flags().StringArrayVarP(&names, "secret", "s", nil, "`NAME` of a secret; may be repeated")
	a.completeNames(cmd)
	return cmd
}

// verdict is the exit code of answers that were printed already.
func verdict(reports []rotation.Report) error {
	code := exitOK
	for _, r := range reports {
		if r.Rejected != "" {
			code = exitDrift
		}
		for _, c := range r.Consumers {
			switch c.Answer {
			case "match", "present":
			case "differs":
				code = exitDrift
			default:
				if code == exitOK {
					code = exitCannotTell
				}
			}
		}
	}
	if code == exitOK {
		return nil
	}
	return &statusError{code}
}

// overview is what the bare command prints: what this is, what is missing.
func (a *app) overview(cmd *cobra.Command) error {
	if err := cmd.Help(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.env.Stdout)
	return errors.Join(err, a.doctor(cmd.Context()))
}
