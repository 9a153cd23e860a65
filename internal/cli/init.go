package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/inventory"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func (a *app) initCommand() *cobra.Command {
	var output string
	var namesOnly bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Propose a catalog from the pass store and the Pulumi projects that exist",
		Long: `Reads the entries of the pass store and the Pulumi projects below --root, and
proposes a catalog: what is a credential of which service, which config secrets
are copies of it, what is only an identifier, and what a person has to decide.
Every guess says why. Values are compared in memory and never printed; nothing is
changed, no service is asked, and no Pulumi CLI is needed.

The passphrase of the stacks comes from PULUMI_CONFIG_PASSPHRASE, from the file
that PULUMI_CONFIG_PASSPHRASE_FILE names, or from an
entry whose name says so. Without one the config secrets are listed, not compared.

Then: edit the file, and
  go run . catalog validate --catalog FILE
  go run . status --catalog FILE
  go run . adopt --catalog FILE`,
		Example: `  go run . catalog init --output catalog.yaml
  go run . catalog init --root ~/company --names-only`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.propose(cmd.Context(), output, namesOnly) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write the proposal to `FILE`, which --yes lets it replace (default: standard output)")
	cmd.Flags().BoolVar(&namesOnly, "names-only", false, "decrypt nothing; guess by the names of entries and config keys alone")
	return cmd
}

func (a *app) propose(ctx context.Context, output string, namesOnly bool) (err error) {
	if output != "" && !filepath.IsAbs(output) {
		output = filepath.Join(a.env.Dir, output)
	}
	if _, err := os.Lstat(output); output != "" && err == nil && !a.opts.yes {
		return misused(a.elsewhere(), "%s exists, and is not replaced without --yes", output)
	}
	s, err := a.opened(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	found, err := s.inventory(ctx, namesOnly)
	if err != nil {
		return err
	}
	proposal := inventory.Propose(found)
	if proposal.Empty() {
		return &usageError{text: "no credential of a known service was found among " + fmt.Sprint(len(found.Entries)) + " entries of " + s.store.Dir(), next: []string{"go run . catalog schema   (write a catalog by hand)"}}
	}
	embedded, err := secrets.Embedded()
	if err != nil {
		return err
	}
	text := proposal.Text(embedded)
	name := output
	if name == "" {
		name = "the proposal"
	}
	// What is to be replaced by its author holds nothing else up.
	cat, err := secrets.Parse(name, bytes.ReplaceAll(text, []byte(secrets.Placeholder), []byte("replaced")))
	if err != nil {
		return fmt.Errorf("the proposal does not hold, which is a fault of this program; nothing was written: %w", err)
	}
	// It is made of names only; this is the second look.
	s.redactor.Add(proposal.Values()...)
	if s.redactor.Holds(text) {
		return &usageError{text: "the name of an entry or a config key is the value of a credential, so nothing was printed", next: []string{"pass ls"}}
	}
	s.progress.Close()
	return s.proposed(output, text, cat)
}

// elsewhere is this call with another file to write to, which can be compared
// with the one that somebody has edited.
func (a *app) elsewhere() string {
	words := slices.Clone(a.args)
	for i, word := range words {
		_, joined := strings.CutPrefix(word, "--output=")
		if joined || i > 0 && slices.Contains([]string{"-o", "--output"}, words[i-1]) || strings.HasPrefix(word, "-o") && len(word) > 2 {
			words[i] += ".new"
		}
	}
	return typed(quotedAll(words)...)
}

// opened is as much of a session as it takes to read pass: a store and, in a
// sandbox, its world.
func (a *app) opened(ctx context.Context) (s *session, err error) {
	s = a.bare()
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.catalog, err = a.loadCatalog(); err != nil {
		return s, err
	}
	if a.opts.sandbox != "" {
		if s.cli, err = a.toolchain(s.progress).Ensure(ctx); err != nil {
			return s, err
		}
	}
	if err = s.openWorld(ctx); err != nil {
		return s, err
	}
	return s, s.openPass(ctx)
}

// inventory reads what a proposal is made from.
func (s *session) inventory(ctx context.Context, namesOnly bool) (inventory.Found, error) {
	found := inventory.Found{NamesOnly: namesOnly}
	line := s.progress.Start("projects", "looking for Pulumi projects below "+s.root())
	var err error
	if found.Projects, found.Workers, err = inventory.Scan(s.root(), inventory.DeclaredIn(s.project(), s.catalog)); err != nil {
		line.Fail("the projects could not be read")
		return found, err
	}
	line.Done(fmt.Sprintf("%d Pulumi projects and %d Workers below %s", len(found.Projects), len(found.Workers), s.root()))
	found.State = s.stateNow(found.Projects)
	if found.Entries, err = s.storeEntries(ctx, namesOnly); err != nil || namesOnly {
		return found, err
	}
	phrases := s.phrases(ctx, &found)
	line = s.progress.Start("config", "comparing config secrets with the entries")
	compared, open := 0, 0
	for i := range found.Projects {
		for j := range found.Projects[i].Stacks {
			stack := &found.Projects[i].Stacks[j]
			stack.Open(ctx, phrases)
			compared += len(stack.Secrets) + len(stack.Nested)
			open += one(stack.Problem != "")
		}
	}
	switch {
	case open > 0 && len(phrases) == 0:
		line.Warn(fmt.Sprintf("the config of %s was not compared: there is no passphrase; export PULUMI_CONFIG_PASSPHRASE_FILE=FILE and call again", ui.Count(open, "stack", "stacks")))
	case open > 0:
		line.Warn(fmt.Sprintf("%s compared; the config of %s could not be opened", ui.Count(compared, "config secret", "config secrets"), ui.Count(open, "stack", "stacks")))
	default:
		line.Done(fmt.Sprintf("%d config secrets compared", compared))
	}
	return found, nil
}

// storeEntries lists the store and, unless only names are wanted, reads it.
func (s *session) storeEntries(ctx context.Context, namesOnly bool) ([]inventory.Entry, error) {
	line := s.progress.Start("pass", "reading the entries")
	paths, err := s.store.List(ctx)
	if err != nil {
		line.Fail("the store could not be listed")
		return nil, err
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { return strings.HasPrefix(p, "rotation/") })
	out := make([]inventory.Entry, 0, len(paths))
	if namesOnly {
		for _, p := range paths {
			out = append(out, inventory.Entry{Path: p})
		}
		line.Done(ui.Count(len(out), "entry", "entries") + ", by name only")
		return out, nil
	}
	read, err := s.store.ReadAll(ctx, paths)
	if err != nil && len(read) == 0 {
		line.Fail("no entry could be read")
		return nil, &worldError{err: firstOf(err), next: "by names alone: go run . catalog init --names-only"}
	}
	var unread []string
	for _, p := range paths {
		e := inventory.Entry{Path: p}
		content, ok := read[p]
		if !ok {
			e.Problem = "it could not be decrypted"
		} else if e.Value, err = content.Secret(secrets.FormatLine); err != nil {
			e.Value, e.Problem = secrets.Value{}, "its first line holds no value that can be used"
			// gopass keeps the secret of some entries in a field.
			if v, err := content.Secret(passwordField); err == nil {
				e.Value, e.Problem, e.Read = v, "", passwordField
			}
		}
		if !ok {
			unread = append(unread, p)
		}
		out = append(out, e)
	}
	if len(unread) > 0 {
		line.Warn(fmt.Sprintf("%s read, %d could not be decrypted: %s", ui.Count(len(read), "entry", "entries"), len(unread), several(unread)))
	} else {
		line.Done(ui.Count(len(read), "entry", "entries") + " read")
	}
	return out, nil
}

// passwordField is where gopass keeps a secret that is not on the first line.
const passwordField secrets.Format = "field:Password"

// several names the first of many.
func several(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// phrases are what may open the stacks: the given passphrase, and entries whose
// name says that they hold one.
func (s *session) phrases(ctx context.Context, found *inventory.Found) []inventory.Phrase {
	var out []inventory.Phrase
	if v, err := s.passphrase(ctx, secrets.Stack{}); err == nil {
		out = append(out, inventory.Phrase{Value: v})
		found.Passphrase = v
	}
	for _, e := range found.Entries {
		name := strings.ToLower(e.Path)
		if len(out) < maxPhrases && !e.Value.IsZero() && (strings.Contains(name, "passphrase") || strings.Contains(name, "pulumi")) {
			out = append(out, inventory.Phrase{Path: e.Path, Value: e.Value})
		}
	}
	return out
}

// maxPhrases bounds the trying: each costs a tenth of a second per stack.
const maxPhrases = 6

// stateNow is where Pulumi keeps its state now, as far as anything says so.
func (s *session) stateNow(projects []inventory.Project) string {
	if s.sandbox != nil {
		return s.sandbox.Backend()
	}
	candidates := []string{s.app.env.Get("PULUMI_BACKEND_URL")}
	for _, p := range projects {
		candidates = append(candidates, p.Backend)
	}
	home := s.app.env.Get("PULUMI_HOME")
	if home == "" {
		home = filepath.Join(s.app.env.Get("HOME"), ".pulumi")
	}
	// The file holds tokens too: nothing else of it is kept.
	var login struct {
		Current string `json:"current"`
	}
	if raw, err := os.ReadFile(filepath.Join(home, "credentials.json")); err == nil && json.Unmarshal(raw, &login) == nil {
		candidates = append(candidates, login.Current)
	}
	for _, c := range candidates {
		if u, err := url.Parse(c); err == nil && u.User == nil && (u.Scheme == "s3" && u.Host != "" || u.Scheme == "file" && u.Host+u.Path != "") {
			return c
		}
	}
	return ""
}

// proposed prints the proposal or writes it, and says what to type next.
func (s *session) proposed(output string, text []byte, cat *secrets.Catalog) error {
	if output != "" {
		if err := writeNew(output, text, s.app.opts.yes); err != nil {
			return err
		}
	}
	whole, said := true, "valid"
	if bytes.Contains(text, []byte(secrets.Placeholder)) {
		whole, said = false, "replace "+secrets.Placeholder+" in it"
	}
	switch {
	case s.app.opts.json:
		return printJSON(s.out, proposedDocument{validDocument{Valid: whole, Secrets: len(cat.Secrets), Identifiers: len(cat.Identifiers), Stacks: len(cat.Stacks)}, output, string(text)})
	case output == "":
		_, err := s.out.Write(text)
		return err
	}
	_, err := fmt.Fprintf(s.out, "%s: %s: %s\n", output, contents(cat), said)
	s.app.opts.catalog = output
	for _, next := range []string{"catalog validate", "status", "adopt --preview"} {
		_, _ = fmt.Fprintf(s.out, "  next: %s\n", s.app.inPlace("go run . "+next))
	}
	return err
}

// proposedDocument is the JSON form; Catalog is the file's text.
type proposedDocument struct {
	validDocument
	File    string `json:"file"`
	Catalog string `json:"catalog"`
}

func writeThrough(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}

// writeNew writes a file that only its owner reads, whole or not at all.
func writeNew(file string, text []byte, replace bool) error {
	// A device or a pipe is written to: a file in its place would be no help.
	if info, err := os.Stat(file); err == nil && replace && !info.Mode().IsRegular() && !info.IsDir() {
		return writeThrough(file, text)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(text)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	if replace {
		err = os.Rename(tmp.Name(), file)
	} else if err = os.Link(tmp.Name(), file); errors.Is(err, fs.ErrExist) {
		return misused("the same command with --yes", "%s exists by now, and is not replaced without --yes", file)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}
