package cli

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/notify"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
)

// fail ends a run that went wrong: the message and what to type next go to
// stderr, and with --json stdout still gets its one document. It returns the
// exit code.
func (a *app) fail(root *cobra.Command, args []string, err error) int {
	err = a.explained(root, args, err)
	code := exitCode(err)
	if !said(err) {
		return code
	}
	if err = a.settled(err); err == nil {
		return code
	}
	if code == exitInterrupted {
		err = a.interruption(err)
	}
	printError(a.env.Stderr, a.style(), ui.Columns(a.env.Err), err, a.nextOf(err))
	// What stands behind -- is another command's.
	if at := slices.Index(args, "--"); at >= 0 {
		args = args[:at]
	}
	// Flags behind a wrong one are not read any more: the wish is looked up.
	if (a.opts.json || slices.Contains(args, "--json")) && !a.printed.any {
		_ = printJSON(a.env.Stdout, failureDocument{Error: err.Error(), ExitCode: code, Next: a.nextOf(err)})
	}
	return code
}

// settled says of every part of an error that the call did what it was for and
// only time is waited for, and returns the rest.
func (a *app) settled(err error) error {
	var rest []error
	for _, one := range apart(err) {
		own := (*rotation.Error)(nil)
		if errors.As(one, &own) && rotation.SettledFor(own, own.Secret) {
			_, _ = fmt.Fprintf(a.env.Stderr, "%s %s\n", a.style().Good("✓"), own)
			continue
		}
		rest = append(rest, one)
	}
	if len(rest) == len(apart(err)) {
		return err
	}
	return errors.Join(rest...)
}

// interruption says of a run that a person stopped how it goes on. What its parts
// said as they were stopped ("context canceled", a key that could not be asked
// for) is none of its faults, and so is what they would have had typed next.
func (a *app) interruption(err error) error {
	e := &rotation.Error{Reason: rotation.Failed, Detail: "interrupted"}
	if own := (*rotation.Error)(nil); errors.As(err, &own) && own.Detail != "" {
		e.Detail, e.Next = "interrupted: "+own.Detail, own.Next
	}
	if len(e.Next) == 0 {
		e.Next = []string{typed(quotedAll(withoutAddresses(a.args))...)}
	}
	return e
}

// failureDocument is what --json prints where there is no result.
type failureDocument struct {
	Error    string   `json:"error"`
	ExitCode int      `json:"exit_code"`
	Next     []string `json:"next"`
}

// said reports whether err holds more than the exit code of a result that was
// printed already.
func said(err error) bool {
	switch e := err.(type) {
	case nil, *statusError:
		return false
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), said)
	}
	return true
}

// counted notes whether anything was written: one document is all there may be.
type counted struct {
	io.Writer
	any bool
}

func (c *counted) Write(p []byte) (int, error) {
	c.any = c.any || len(p) > 0
	return c.Writer.Write(p)
}

// explained turns cobra's own complaints into usage errors that say what was
// probably meant.
func (a *app) explained(root *cobra.Command, args []string, err error) error {
	text := firstLine(err.Error())
	unknown := unknownCommand.FindStringSubmatch(text)
	var usage *usageError
	if unknown == nil && !errors.As(err, &usage) {
		return err
	}
	if dir := looseSandbox(root, args); dir != "" {
		return misused(strings.Join(join(args, dir), " "), "--sandbox takes its folder after an equals sign: --sandbox=%s", dir)
	}
	if unknown == nil {
		return err
	}
	return unknownName(root, unknown[1], unknown[2])
}

var unknownCommand = regexp.MustCompile(`^unknown command "([^"]*)" for "secret-rotation ?([^"]*)"`)

func unknownName(root *cobra.Command, name, path string) error {
	parent, _, err := root.Find(strings.Fields(path))
	if err != nil {
		parent = root
	}
	var known []string
	for _, c := range parent.Commands() {
		if !c.Hidden {
			known = append(known, c.Name())
		}
	}
	text, meant := notFound("command", name, known)
	return misused(typed(path, meant, "--help"), "%s", text)
}

// typed is a command line of this program without the empty words.
func typed(words ...string) string {
	return "go run . " + strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// path is a command's own words, without the program's name.
func path(cmd *cobra.Command) string {
	return strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), "secret-rotation"))
}

// strictHelp makes `help` and `completion` refuse a name that they do not know;
// cobra's own print the help of something else and end well.
func (a *app) strictHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Run, cmd.RunE = nil, func(_ *cobra.Command, args []string) error {
				about, rest, err := root.Find(args)
				if err != nil || len(rest) > 0 {
					return unknownName(root, args[len(args)-max(1, len(rest))], path(about))
				}
				about.InitDefaultHelpFlag()
				return about.Help()
			}
		case "completion":
			cmd.Args, cmd.RunE = cobra.NoArgs, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// looseSandbox finds the folder of `--sandbox DIR`: the flag's value is
// optional, so it stands behind an equals sign or is no value at all.
func looseSandbox(root *cobra.Command, args []string) string {
	at := slices.Index(args, "--sandbox")
	if at < 0 || at+1 == len(args) || strings.HasPrefix(args[at+1], "-") {
		return ""
	}
	next := args[at+1]
	if !strings.ContainsAny(next, "./") && slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == next }) {
		return ""
	}
	return next
}

// join is the call with the folder where it belongs.
func join(args []string, dir string) []string {
	args = withoutAddresses(args)
	at := slices.Index(args, "--sandbox")
	out := append([]string{"go run ."}, args[:at]...)
	return append(append(out, "--sandbox="+dir), args[at+2:]...)
}

// withoutAddresses are the words of a call without the addresses of those who
// are told, which hold tokens.
func withoutAddresses(args []string) []string {
	out := slices.Clone(args)
	for i, word := range out {
		for _, flag := range []string{"--notify", "--heartbeat"} {
			switch {
			case word == flag && i+1 < len(out) && !notify.Reference(out[i+1]):
				out[i+1] = "URL"
			case strings.HasPrefix(word, flag+"=") && !notify.Reference(word[len(flag)+1:]):
				out[i] = flag + "=URL"
			}
		}
	}
	return out
}
