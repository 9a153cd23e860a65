package cli

import (
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func (a *app) catalogCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "catalog",
		Short: "Propose, list, check and draw the inventory",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.initCommand(),
		a.catalogSub("list", "List secrets, entries and consumers", func(c *secrets.Catalog) error { return a.listCatalog(c) }),
		a.catalogSub("validate", "Check the catalog; errors name file, line and column", func(c *secrets.Catalog) error {
			if a.opts.json {
				return printJSON(a.env.Stdout, validDocument{Valid: true, Secrets: len(c.Secrets), Identifiers: len(c.Identifiers), Stacks: len(c.Stacks), Notices: c.Notices()})
			}
			for _, n := range c.Notices() {
				_, _ = fmt.Fprintf(a.env.Stderr, "%s %s\n", a.style().Warn("notice:"), n)
			}
			_, err := fmt.Fprintf(a.env.Stdout, "%s: valid\n", contents(c))
			return err
		}),
		a.catalogSub("graph", "Draw secret -> consumer in Mermaid", func(c *secrets.Catalog) error {
			if a.opts.json {
				return printJSON(a.env.Stdout, map[string]string{"mermaid": c.Graph()})
			}
			_, err := fmt.Fprint(a.env.Stdout, c.Graph())
			return err
		}),
		&cobra.Command{Use: "schema", Short: "Print the JSON Schema of the catalog", Args: noArgs, RunE: func(*cobra.Command, []string) error {
			_, err := a.env.Stdout.Write(secrets.Schema())
			return err
		}},
	)
	return cmd
}

// contents says what a catalog holds.
func contents(c *secrets.Catalog) string {
	return ui.Count(len(c.Secrets), "secret", "secrets") + ", " + ui.Count(len(c.Identifiers), "identifier", "identifiers") + ", " + ui.Count(len(c.Stacks), "stack", "stacks")
}

// validDocument is the JSON form of a catalog that holds; one that does not is
// an error like any other.
type validDocument struct {
	Valid       bool `json:"valid"`
	Secrets     int  `json:"secrets"`
	Identifiers int  `json:"identifiers"`
	Stacks      int  `json:"stacks"`
	// Notices are what is read in another way than it is written.
	Notices []secrets.Notice `json:"notices,omitempty"`
}

func (a *app) catalogSub(name, short string, do func(*secrets.Catalog) error) *cobra.Command {
	return &cobra.Command{Use: name, Short: short, Args: noArgs, RunE: func(*cobra.Command, []string) error {
		c, err := a.loadCatalog()
		if err != nil {
			return err
		}
		return do(c)
	}}
}

func (a *app) listCatalog(c *secrets.Catalog) error {
	if a.opts.json {
		return printJSON(a.env.Stdout, catalogDocument(c))
	}
	rows := [][]string{{"SECRET", "ENTRY", "MAX AGE", "GRACE", "CONSUMERS"}}
	for _, s := range c.Secrets {
		for i, e := range s.Entries {
			row := []string{"", e.Path, "", "", ""}
			if i == 0 {
				row = []string{s.Name, e.Path, s.MaxAge.String(), s.Grace.String(), consumersOf(s)}
			}
			rows = append(rows, row)
		}
	}
	for _, id := range c.Identifiers {
		rows = append(rows, []string{"-", id.Path, "-", "-", "identifier, not rotated"})
	}
	table(a.env.Stdout, a.width(), rows)
	return nil
}

func consumersOf(s secrets.Secret) string {
	var parts []string
	for _, c := range s.Consumers {
		var at []string
		for name := range c.Values {
			at = append(at, name)
		}
		sort.Strings(at)
		text := c.Name + " (" + string(c.Kind)
		if len(at) > 0 {
			text += ": " + strings.Join(at, " ")
		}
		parts = append(parts, text+")")
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// catalogDocument is the JSON form of the list.
func catalogDocument(c *secrets.Catalog) any {
	type consumer struct {
		Name  string            `json:"name"`
		Kind  string            `json:"kind"`
		Stack string            `json:"stack,omitempty"`
		Proof string            `json:"proof"`
		Value map[string]string `json:"values,omitempty"`
	}
	type secret struct {
		Name      string     `json:"name"`
		Service   string     `json:"service"`
		Entries   []string   `json:"entries"`
		MaxAge    string     `json:"max_age"`
		Grace     string     `json:"grace"`
		Consumers []consumer `json:"consumers"`
	}
	out := struct {
		Secrets     []secret `json:"secrets"`
		Identifiers []string `json:"identifiers"`
	}{Secrets: []secret{}, Identifiers: []string{}}
	for _, s := range c.Secrets {
		one := secret{Name: s.Name, Service: s.Service, MaxAge: s.MaxAge.String(), Grace: s.Grace.String(), Consumers: []consumer{}}
		for _, e := range s.Entries {
			one.Entries = append(one.Entries, e.Path)
		}
		for _, k := range s.Consumers {
			one.Consumers = append(one.Consumers, consumer{Name: k.Name, Kind: string(k.Kind), Stack: k.Stack, Proof: string(k.Probe.Kind), Value: k.Values})
		}
		out.Secrets = append(out.Secrets, one)
	}
	for _, id := range c.Identifiers {
		out.Identifiers = append(out.Identifiers, id.Path)
	}
	return out
}
