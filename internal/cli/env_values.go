package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sanmarcsoft/secret-rotation/internal/printable"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// openValues opens catalog, world and pass, and neither the state nor a service.
// A Pulumi CLI is only needed where a sandbox is still to be made.
func (a *app) openValues(ctx context.Context) (s *session, err error) {
	s = a.bare()
	if s.catalog, err = a.loadCatalog(); err == nil && a.opts.sandbox != "" {
		if _, missing := os.Stat(filepath.Join(a.sandboxDir(), "sandbox.json")); missing != nil {
			s.cli, err = a.toolchain(s.progress).Ensure(ctx)
		}
	}
	if err == nil {
		err = s.openWorld(ctx)
	}
	if err == nil {
		err = s.openPass(ctx)
	}
	// From here on the streams are the command's.
	s.progress.Close()
	if err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

func (a *app) onTerminal() bool { return ui.IsTerminal(a.stdout()) }

// entriesOf are the pass paths of an environment, sorted, each once.
func entriesOf(e secrets.Environment) []string {
	paths := slices.Sorted(maps.Values(e.Variables))
	return slices.Compact(paths)
}

// values reads all of an environment's variables, or fails.
func (s *session) values(ctx context.Context, from *store.Store, e secrets.Environment) (map[string]secrets.Value, error) {
	entries, err := from.ReadAll(ctx, entriesOf(e))
	if err != nil {
		return nil, firstOf(err)
	}
	out := map[string]secrets.Value{}
	for name, path := range e.Variables {
		v, err := entries[path].Secret(s.format(path))
		if err != nil {
			return nil, err
		}
		s.redactor.Add(v)
		out[name] = v
	}
	for name, text := range s.catalog.Text(e) {
		out[name] = secrets.NewValue([]byte(text))
	}
	return out, nil
}

// format is how the catalog reads an entry; a line where it says nothing.
func (s *session) format(path string) secrets.Format {
	for _, secret := range s.catalog.Secrets {
		for _, entry := range secret.Entries {
			if entry.Path == path {
				return entry.Read
			}
		}
	}
	return secrets.FormatLine
}

// merged is the caller's environment with values in the place of variables of
// the same names.
func merged(environ []string, values map[string]secrets.Value) []string {
	out := make([]string, 0, len(environ)+len(values))
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if _, ours := values[name]; !ours {
			out = append(out, kv)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, name+"="+string(values[name].Reveal()))
	}
	return out
}

// ofEntry names the pass entry of a variable, where it has one.
func ofEntry(entry string) string {
	if entry == "" {
		return ""
	}
	return " (pass entry " + entry + ")"
}

// formats write one variable each, but for json. An error never quotes the value.
var formats = map[string]func(name, value string) (string, error){
	"shell": shellLine, "dotenv": dotenvLine, "json": jsonMember,
}

// printValues prints the variables to stdout itself: the session's own way there
// would hide them.
func (s *session) printValues(ctx context.Context, e secrets.Environment, format string) error {
	values, err := s.values(ctx, s.store, e)
	if err != nil {
		return err
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		line, err := formats[format](name, string(values[name].Reveal()))
		if err != nil {
			next := "go run . env --for " + e.Name + " -- COMMAND"
			return misused(next, "%s%s cannot be printed as %s: %v", name, ofEntry(e.Variables[name]), format, err)
		}
		lines = append(lines, line)
	}
	text := strings.Join(lines, "\n")
	if format == "json" {
		text = "{\n" + strings.Join(lines, ",\n") + "\n}"
	}
	_, err = fmt.Fprintln(printable.Raw(s.app.env.Stdout), text) // byte for byte
	return err
}

// shellLine: between apostrophes a POSIX shell takes every byte as it is.
func shellLine(name, value string) (string, error) {
	if strings.ContainsRune(value, 0) {
		return "", fmt.Errorf("it holds a NUL byte")
	}
	return "export " + name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'", nil
}

// dotenvLine writes what npm's dotenv, compose, wrangler and a shell that sources
// the file read alike. Between apostrophes they take every character as it is, but
// for a backslash before the closing one, and a dollar sign, which wrangler expands
// whatever the quotes (dotenv-expand works on what dotenv has read). Between " a
// shell and compose know escapes and dotenv does not, and ` quotes for dotenv alone.
// A value that has no such form is refused.
func dotenvLine(name, value string) (string, error) {
	switch {
	case strings.ContainsAny(value, "\n\r"):
		return "", fmt.Errorf("it has more than one line, which .env files are read differently for; --format shell and json take it")
	case strings.ContainsRune(value, 0):
		return "", fmt.Errorf("it holds a NUL byte")
	case !utf8.ValidString(value):
		return "", fmt.Errorf("it is not UTF-8; --format shell takes it")
	}
	switch {
	case strings.Contains(value, "$"):
		return "", fmt.Errorf("it has a dollar sign, which some who read .env files expand and others do not; --format shell and json take it")
	case !strings.Contains(value, "'") && !strings.HasSuffix(value, `\`):
		return name + "='" + value + "'", nil
	case !strings.ContainsAny(value, `"!`+"`"+`\`):
		return name + `="` + value + `"`, nil
	}
	return "", fmt.Errorf("its quotes or backslashes are read differently by those who read .env files (compose, wrangler, dotenv, sh); --format shell and json take it")
}

// jsonMember: JSON is UTF-8, and Go would replace what is not without a word.
func jsonMember(name, value string) (string, error) {
	if !utf8.ValidString(value) {
		return "", fmt.Errorf("it is not UTF-8; --format shell takes it")
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return "", fmt.Errorf("it cannot be encoded")
	}
	return fmt.Sprintf("  %q: %s", name, strings.TrimSpace(b.String())), nil
}
