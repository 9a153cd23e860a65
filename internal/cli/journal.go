package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
)

func (a *app) journalCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "journal",
		Short: "Repair a secret's journal or release its lease",
		Long: `The journal is the record of every rotation in the state backend, signed with a
key from pass. These commands are the way out where it is damaged, or where a
lease is held by a process that does not run any more.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.journalRepairCommand(), a.journalReleaseCommand())
	return cmd
}

func (a *app) journalRepairCommand() *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "repair --secret NAME...",
		Short: "Accept a damaged journal as it stands",
		Long: `Shows what is wrong with the journal of a secret, asks its consumers and its
service what can be verified now, and appends one event that accepts the journal
as it stands, after the secret's name was typed (or --yes given). No event is
deleted or rewritten. If every consumer proves the value in pass, that value is
recorded as promoted; otherwise the next rotation finds out which value is in use.
First restore the journal from the bucket's versions or a backup if you can.
Exit codes: 0 repaired or whole, 1 failed, 2 usage, 4 something could not be
asked, 5 a rotation of it is under way, 6 not confirmed.`,
		Example: `  go run . journal repair --secret stripe`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.carry(cmd, names, false, "journal repair", func(ctx context.Context, r *rotation.Rotator, names []string) ([]rotation.Report, error) {
				var reports []rotation.Report
				for _, name := range names {
					report, damaged, err := r.Repair(ctx, name)
					if err != nil {
						return reports, err
					}
					if reports = append(reports, report); !damaged {
						r.Watch.Begin(name, "").Done("its journal is whole: nothing to repair")
						continue
					}
					r.Watch.Begin(name, "").Done("its journal was accepted as it stands")
				}
				return reports, nil
			})
		},
	}
	cmd.Flags().StringArrayVarP(&names, "secret", "s", nil, "`NAME` of a secret in the catalog; may be repeated")
	a.completeNames(cmd)
	return cmd
}

func (a *app) journalReleaseCommand() *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "release --secret NAME...",
		Short: "Release the lease that bars a secret",
		Long: `Shows who holds the leases on a secret and its stacks, and releases them after the
secret's name was typed (or --yes given). A lease ends by itself a few minutes after
it was last renewed. Release one only if the process that holds it has ended.
Exit codes: 0 released or not held, 1 failed, 2 usage, 6 not confirmed.`,
		Example: `  go run . journal release --secret stripe`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cat, err := a.loadCatalog()
			if err != nil {
				return err
			}
			if names, err = chosen(cat, names, false, "journal release"); err != nil {
				return err
			}
			s, err := a.light(cmd.Context())
			if err != nil {
				return err
			}
			// Only the record is touched: no stack, service or consumer is opened.
			r := &rotation.Rotator{Catalog: s.catalog, Journal: s.journal, Person: person{s}}
			for _, name := range names {
				held, releaseErr := r.Release(cmd.Context(), name)
				if err = releaseErr; err != nil {
					break
				}
				text := name + ": no lease was held"
				if held {
					text = name + ": the lease is released"
				}
				_, _ = fmt.Fprintln(s.out, "  "+text)
			}
			return errors.Join(err, s.close())
		},
	}
	cmd.Flags().StringArrayVarP(&names, "secret", "s", nil, "`NAME` of a secret in the catalog; may be repeated")
	a.completeNames(cmd)
	return cmd
}
