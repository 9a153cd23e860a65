// Package hint says which command an operator types next. A command is a value
// until it is printed: its text is made here and nowhere else.
package hint

import (
	"regexp"
	"slices"
	"strings"
)

// Program is what the operator types to start this program.
const Program = "go run ."

// Command is a command of this program.
type Command struct {
	// Verb is the command's own words, such as "rotate" or "drift accept".
	Verb string
	// Secrets are the secrets that it is about, each given by --secret.
	Secrets []string
	// Flags are the others, each made by Flag.
	Flags []string
}

// Flag is a flag as it is typed, its values quoted for a shell.
func Flag(name string, values ...string) string {
	for _, v := range values {
		name += " " + Quote(v)
	}
	return name
}

// String is the command as it is typed. The flags that say where this call
// works are added when it is printed, by Place.
func (c Command) String() string {
	words := []string{Program, c.Verb}
	for _, s := range c.Secrets {
		words = append(words, Flag("--secret", s))
	}
	return strings.Join(append(words, c.Flags...), " ")
}

// With is the command with these flags; one of the same name gives way.
func (c Command) With(flags ...string) Command {
	out := c
	out.Flags = slices.Clone(c.Flags)
	for _, f := range flags {
		out = out.Without(flagName(f))
		out.Flags = append(out.Flags, f)
	}
	return out
}

// Without is the command without the flags of these names.
func (c Command) Without(names ...string) Command {
	c.Flags = slices.DeleteFunc(slices.Clone(c.Flags), func(f string) bool { return slices.Contains(names, flagName(f)) })
	return c
}

func flagName(flag string) string {
	if end := strings.IndexAny(flag, " ="); end >= 0 {
		return flag[:end]
	}
	return flag
}

// Place is where a call works: without its flags, what goes on with the call
// would reach another company, store or state.
type Place struct {
	Sandbox, Catalog, Root, Pulumi string
	// ShellCredentials opens the state with the shell's credentials.
	ShellCredentials bool
}

// Flags are the flags of the place.
func (p Place) Flags() []string {
	var out []string
	for _, f := range []struct{ name, value string }{
		{"--sandbox", p.Sandbox}, {"--catalog", p.Catalog}, {"--root", p.Root}, {"--pulumi", p.Pulumi},
	} {
		if f.value != "" {
			out = append(out, f.name+"="+Quote(f.value))
		}
	}
	if p.ShellCredentials {
		out = append(out, "--shell-credentials")
	}
	return out
}

// verbs are the commands that work in a place. setup alone installs the pinned
// Pulumi CLI, wherever.
var verbs = regexp.MustCompile(`\b` + regexp.QuoteMeta(Program) + ` (rotate|adopt|preview|verify|status|history|unlock|revoke|rollback|hold|doctor|env|setup --bucket|` +
	`(?:sandbox|catalog|schedule|journal) [a-z]+|drift(?: accept)?)\b`)

// In is text in which every command of this program has the flags of the place
// that text does not have itself.
func (p Place) In(text string) string {
	var flags string
	for _, f := range p.Flags() {
		if !strings.Contains(text, flagName(f)) {
			flags += " " + f
		}
	}
	return verbs.ReplaceAllStringFunc(text, func(command string) string { return command + flags })
}

// Split takes the first command of this program out of a line of text: the words
// before it, the command, and what is said about it, which three blanks part
// from it. Where the line has none, before is all of it.
func Split(text string) (before, command, after string) {
	at := strings.Index(text, Program+" ")
	if at < 0 {
		return text, "", ""
	}
	command, after, _ = strings.Cut(text[at:], "   ")
	return strings.TrimSpace(text[:at]), command, strings.TrimSpace(after)
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// Quote is a word that a shell takes as it is.
func Quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
