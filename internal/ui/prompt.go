package ui

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/huh"
	"golang.org/x/term"

	"github.com/sanmarcsoft/secret-rotation/internal/printable"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// ErrAborted: the person pressed Ctrl-C or Esc at a prompt.
var ErrAborted = errors.New("aborted at the prompt")

// Terminal asks a person. It must only be used where Interactive is true. Out
// takes escape sequences: all text of others in a question is made printable.
type Terminal struct {
	In  *os.File
	Out io.Writer
}

// Interactive reports whether a person sits at both ends.
func Interactive(in *os.File, out *os.File) bool {
	return in != nil && out != nil && term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd()))
}

// Confirm asks a question that is answered by yes or no; no is the default.
func (t Terminal) Confirm(question, yes, no string) (bool, error) {
	var answer bool
	field := huh.NewConfirm().Title(printable.Line(question)).Affirmative(yes).Negative(no).Value(&answer)
	err := t.run(field)
	return answer, err
}

// Secret asks for a value without showing it. check is told the value before
// it is taken; its error is shown and the person may try again.
func (t Terminal) Secret(title, description string, check func(secrets.Value) error) (secrets.Value, error) {
	var typed string
	field := huh.NewInput().Title(printable.Line(title)).Description(printable.Line(description)).EchoMode(huh.EchoModePassword).Value(&typed).
		Validate(func(s string) error { return shown(check(secrets.NewValue([]byte(s)))) })
	if err := t.run(field); err != nil {
		return secrets.Value{}, err
	}
	return secrets.NewValue([]byte(typed)), nil
}

// shown is an error whose text is fit for a terminal.
func shown(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(printable.Line(err.Error()))
}

// Type has a person type a word; anything else is a no.
func (t Terminal) Type(title, word string) (bool, error) {
	var typed string
	err := t.run(huh.NewInput().Title(printable.Line(title)).Value(&typed))
	return strings.TrimSpace(typed) == word, err
}

// Choose lets a person pick one of the options and returns its index.
func (t Terminal) Choose(title string, options ...string) (int, error) {
	chosen := 0
	choices := make([]huh.Option[int], 0, len(options))
	for i, o := range options {
		choices = append(choices, huh.NewOption(printable.Line(o), i))
	}
	err := t.run(huh.NewSelect[int]().Title(printable.Line(title)).Options(choices...).Value(&chosen))
	return chosen, err
}

func (t Terminal) run(field huh.Field) error {
	// A key pressed before the question was to be seen is no answer to it.
	discardTyped(t.In)
	keys := huh.NewDefaultKeyMap()
	keys.Quit.SetKeys("ctrl+c", "esc")
	form := huh.NewForm(huh.NewGroup(field)).WithInput(t.In).WithOutput(t.Out).WithShowHelp(true).WithKeyMap(keys)
	if columns := Columns(t.In); columns > 0 {
		form = form.WithWidth(min(columns, widest))
	}
	err := form.Run()
	if errors.Is(err, huh.ErrUserAborted) {
		return ErrAborted
	}
	if err != nil {
		return fmt.Errorf("prompting: %w", err)
	}
	return nil
}

// widest is how wide a prompt gets on a wide terminal.
const widest = 100

// Columns is the width of the terminal, 0 where it is not known.
func Columns(f *os.File) int {
	if !IsTerminal(f) {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// IsTerminal reports whether the file is a terminal.
func IsTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }
