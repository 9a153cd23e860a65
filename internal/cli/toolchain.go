package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/internal/printable"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
)

// toolchain provides the Pulumi CLI; the line appears only if that takes time.
func (a *app) toolchain(p *ui.Progress) engine.Setup {
	var line *ui.Line
	return engine.Setup{Path: a.opts.pulumi, Progress: func(text string) {
		if line == nil {
			line = p.Start("pulumi", text)
			return
		}
		line.Say(text)
	}}
}

func (a *app) setupCommand() *cobra.Command {
	var bucket bool
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Provide the pinned Pulumi CLI, or the state's bucket",
		Long: `Provides the Pulumi CLI at exactly the version of the SDK, in a folder of its
own: from the release archive, checked against the published checksums, or
built from the pinned module where nothing can be downloaded (about 1.5 minutes
on two cores). Other commands do the same on first need.

--bucket sets up the bucket of the catalog's state.url instead, with the key
that pass holds: it creates the bucket where there is none, switches versioning
on and adds a lifecycle rule (old versions go after 90 days, unfinished uploads
after 7). It shows what is missing and asks, changes nothing that is there and
never deletes anything.`,
		Example: `  go run . setup
  go run . setup --bucket`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if bucket {
				return a.setupBucket(cmd.Context())
			}
			progress := ui.NewProgress(printable.Raw(a.env.Stderr), a.style(), a.interactive())
			cli, err := a.toolchain(progress).Ensure(cmd.Context())
			progress.Close()
			if err != nil {
				return err
			}
			if a.opts.json {
				return printJSON(a.env.Stdout, map[string]string{"pulumi": cli.Path, "version": cli.Version, "home": cli.Home})
			}
			_, err = fmt.Fprintf(a.env.Stdout, "Pulumi CLI %s\n  %s\n", cli.Version, cli.Path)
			return err
		},
	}
	cmd.Flags().BoolVar(&bucket, "bucket", false, "set up the state's bucket instead")
	return cmd
}
