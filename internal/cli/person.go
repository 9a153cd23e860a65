package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// person is the operator at the terminal, or, in a sandbox where nobody is
// asked, the human that the sandbox plays.
type person struct{ s *session }

// Name implements rotation.Named.
func (p person) Name() string {
	if p.played() {
		return "the simulated operator"
	}
	return journal.Self().User
}

// Agree implements rotation.Person.
func (p person) Agree(_ context.Context, plan *rotation.Plan) error {
	a := p.s.app
	_ = p.s.progress.Pause(func() error { printPlan(p.s.err, a.style(), ui.Columns(a.env.Err), plan); return nil })
	if a.opts.yes && plan.Changed {
		return &rotation.Error{Reason: rotation.Failed, Detail: "the preview with the new values differs from the one agreed to; nothing was deployed, the new values are kept in pass"}
	}
	if a.opts.yes {
		return nil
	}
	if !a.interactive() {
		return misused(typed(append(quotedAll(a.args), "--yes")...), "there is no terminal to ask at, and --yes was not given; nothing was changed")
	}
	return p.s.progress.Pause(func() error {
		ok, err := p.terminal().Confirm("Go ahead?", yes(plan), "No")
		if errors.Is(err, ui.ErrAborted) || err == nil && !ok {
			return &declinedError{&rotation.Error{Reason: rotation.Failed, Detail: "not agreed to; nothing was changed"}, err != nil}
		}
		return err
	})
}

// declinedError is a no to what was shown before anything was done; aborted by
// Ctrl-C, and not by an answer.
type declinedError struct {
	error
	aborted bool
}

func (e *declinedError) Unwrap() error { return e.error }

func yes(plan *rotation.Plan) string {
	if slices.ContainsFunc(plan.Secrets, func(s rotation.SecretPlan) bool { return s.Adopts }) {
		return "Yes, adopt"
	}
	if slices.ContainsFunc(plan.Secrets, func(s rotation.SecretPlan) bool { return !s.Back }) {
		return "Yes, rotate"
	}
	return "Yes, roll back"
}

func (p person) terminal() ui.Terminal { return ui.Terminal{In: p.s.app.env.In, Out: p.s.live} }

// Issue implements rotation.Person.
func (p person) Issue(ctx context.Context, s secrets.Secret, entries []secrets.Entry) (services.Credential, error) {
	if p.played() {
		line := p.s.progress.Start(s.Name, "the sandbox's human makes a new value at the dashboard")
		only := s
		only.Entries = entries
		got, err := p.s.sandbox.Issue(ctx, only)
		if err != nil {
			line.Fail("no new value")
			return nil, err
		}
		line.Done("the sandbox's human made a new value at " + s.Dashboard.URL)
		return p.known(got), nil
	}
	if !p.s.app.interactive() {
		return nil, &rotation.Error{Reason: rotation.Waiting, Secret: s.Name, Step: "waiting for a new value",
			Detail: "somebody has to make it at " + s.Dashboard.URL + ", and there is no terminal to ask at",
			Next:   s.Dashboard.Issue, Flags: []string{"--value-stdin"}}
	}
	out := services.Credential{}
	err := p.s.progress.Pause(func() error {
		p.steps(s.Title+": make a new value at "+s.Dashboard.URL, p.issueSteps(s))
		for _, e := range entries {
			v, err := p.terminal().Secret("New "+e.Name()+" for "+e.Path, e.Expect, e.Check)
			if err != nil {
				return err
			}
			out[e.Name()] = v
		}
		return nil
	})
	if errors.Is(err, ui.ErrAborted) {
		err = &rotation.Error{Reason: rotation.Waiting, Secret: s.Name, Step: "waiting for a new value", Detail: "stopped at the prompt; no consumer was touched"}
	}
	return p.known(out), err
}

// issueSteps adds, in a sandbox, how its dashboard is reached.
func (p person) issueSteps(s secrets.Secret) []string {
	if p.s.sandbox == nil {
		return s.Dashboard.Issue
	}
	return append(append([]string{}, s.Dashboard.Issue...), "In this sandbox the dashboard is, in another shell: go run . sandbox roll "+s.Name+" --sandbox="+p.s.app.opts.sandbox)
}

// IssueAgain implements rotation.Repeater.
func (p person) IssueAgain(ctx context.Context, s secrets.Secret, entries []secrets.Entry) (services.Credential, error) {
	const use = "A run that was cut off may have asked for it already: if you made one then, use that one, or delete it."
	if !p.played() {
		s.Dashboard.Issue = append([]string{use}, s.Dashboard.Issue...)
		return p.Issue(ctx, s, entries)
	}
	made, err := p.unused(ctx, s, entries)
	if err != nil || made == nil {
		return p.Issue(ctx, s, entries)
	}
	p.s.progress.Start(s.Name, "").Done("the sandbox's human still has the value made at " + s.Dashboard.URL + " before the interruption")
	return p.known(made), nil
}

// unused are living credentials that nobody has used and pass does not hold:
// what the sandbox's human has on the screen. nil where there is none for every
// entry.
func (p person) unused(ctx context.Context, s secrets.Secret, entries []secrets.Entry) (services.Credential, error) {
	state, err := p.s.sandbox.World().Snapshot()
	if err != nil {
		return nil, err
	}
	out := services.Credential{}
	for _, e := range entries {
		have, err := p.s.entry(ctx, e.Path)
		if err != nil {
			return nil, err
		}
		newest, ok := state.Newest(s.Service, e.Name())
		if !ok || newest.LastUsed != nil || newest.Revoked != nil || have.Equal(secrets.NewValue([]byte(newest.Value))) {
			return nil, nil
		}
		out[e.Name()] = secrets.NewValue([]byte(newest.Value))
	}
	return out, nil
}

// known hides new values in all output from here on.
func (p person) known(c services.Credential) services.Credential {
	for _, v := range c {
		p.s.redactor.Add(v)
	}
	return c
}

// Retire implements rotation.Person.
func (p person) Retire(ctx context.Context, s secrets.Secret, gone rotation.Retirement) error {
	old, which, proved := gone.Values, "old", "new"
	if gone.Back {
		which, proved = "new", "old"
	}
	done, opening := "every consumer runs with the "+proved+" value; ", "Every consumer proved the "+proved+" value. "
	if gone.Unproven {
		done, opening = "", ""
	}
	if p.played() {
		maps.DeleteFunc(old, func(_ string, v secrets.Value) bool { return v.IsZero() })
		return p.s.sandbox.Retire(ctx, s, old)
	}
	retired := strings.Join(slices.Sorted(maps.Keys(old)), " and ")
	if retired == "" {
		retired = "value" // none is known
	}
	for _, name := range gone.Works {
		opening += name + " proved only that it works: if it still uses the " + which + " value, it stops. "
	}
	steps := append(append([]string{}, s.Dashboard.Retire...), p.retiredHere(old)...)
	if len(old) > 0 && len(old) < len(s.Entries) {
		steps = append([]string{"Retire only the " + which + " " + retired + ": the rest of " + s.Name + " stays in use."}, steps...)
	}
	if !p.s.app.interactive() {
		return &rotation.Error{Reason: rotation.Waiting, Secret: s.Name, Step: "retiring the " + which + " value",
			Detail: done + "somebody has to retire the " + which + " " + retired + " at " + s.Dashboard.URL + ", and there is no terminal to ask at",
			Next:   steps}
	}
	return p.s.progress.Pause(func() error {
		p.steps(opening+"Retire the "+which+" "+retired+" at "+s.Dashboard.URL, steps)
		ok, err := p.terminal().Confirm("Is the "+which+" value retired?", "Yes, it is", "Not yet")
		if errors.Is(err, ui.ErrAborted) || err == nil && !ok {
			return &rotation.Error{Reason: rotation.Waiting, Secret: s.Name, Step: "retiring the " + which + " value", Detail: "it was left alive"}
		}
		return err
	})
}

// retiredHere says, in a sandbox, how its dashboard is reached.
func (p person) retiredHere(old services.Credential) []string {
	if p.s.sandbox == nil {
		return nil
	}
	state, err := p.s.sandbox.World().Snapshot()
	if err != nil {
		return nil
	}
	var steps []string
	for _, c := range state.Credentials {
		for _, v := range old {
			if v.Equal(secrets.NewValue([]byte(c.Value))) {
				steps = append(steps, "In this sandbox the dashboard is, in another shell: go run . sandbox tamper revoked "+c.ID+" --sandbox="+p.s.app.opts.sandbox)
			}
		}
	}
	return steps
}

// Confirm implements rotation.Person.
func (p person) Confirm(_ context.Context, q rotation.Confirmation) error {
	a := p.s.app
	stopped := &rotation.Error{Reason: rotation.Waiting, Secret: q.Secret, Detail: "nothing was retired: it was not confirmed. " + strings.TrimSuffix(q.Title, ".")}
	if !a.interactive() || a.opts.yes {
		if a.opts.yes && !q.Own || p.played() && q.Own {
			_ = p.s.progress.Pause(func() error { p.points(q.Title, q.Lines); return nil })
			return nil
		}
		if !q.Own {
			return misused(typed(append(quotedAll(a.args), "--yes")...), "%s: nothing was retired: %s There is no terminal to ask at, and --yes was not given", q.Secret, q.Title)
		}
		stopped.Detail = "nothing was retired: " + q.Title + " Only a person can say so, and there is no terminal to ask at"
		return stopped
	}
	return p.s.progress.Pause(func() error {
		p.points(q.Title, q.Lines)
		var ok bool
		var err error
		if q.Type != "" {
			ok, err = p.terminal().Type("Type "+q.Type+" to say so", q.Type)
		} else {
			ok, err = p.terminal().Confirm("Go ahead?", q.Action, "No")
		}
		if errors.Is(err, ui.ErrAborted) || err == nil && !ok {
			return stopped
		}
		return err
	})
}

// Tell implements rotation.Person.
func (p person) Tell(_ context.Context, s secrets.Secret) (bool, error) {
	if !p.s.app.interactive() || p.s.app.opts.yes {
		return false, &rotation.Error{Reason: rotation.Misused, Detail: "nothing tells whether the value that pass holds for " + s.Name + " was ever rolled out"}
	}
	var chosen int
	err := p.s.progress.Pause(func() (err error) {
		chosen, err = p.terminal().Choose("Nothing tells whether the value that pass holds for "+s.Name+" was ever rolled out. Is it",
			"in use: make a fresh one", "new: roll it out")
		return err
	})
	return chosen == 1, err
}

// played: the sandbox plays the human where nobody is asked.
func (p person) played() bool {
	return p.s.sandbox != nil && (p.s.app.opts.yes || !p.s.app.interactive())
}

// points are facts to know before an answer.
func (p person) points(title string, lines []string) {
	columns := ui.Columns(p.s.app.env.Err)
	_, _ = fmt.Fprintln(p.s.err)
	printTitle(p.s.err, p.s.app.style(), columns, title)
	for _, line := range lines {
		printHanging(p.s.err, columns, "  - ", len("  - "), []string{line})
	}
	_, _ = fmt.Fprintln(p.s.err)
}

func (p person) steps(title string, steps []string) {
	columns := ui.Columns(p.s.app.env.Err)
	_, _ = fmt.Fprintln(p.s.err)
	printTitle(p.s.err, p.s.app.style(), columns, title)
	for i, step := range steps {
		number := fmt.Sprintf("  %d. ", i+1)
		printHanging(p.s.err, columns, number, len(number), []string{step})
	}
	_, _ = fmt.Fprintln(p.s.err)
}

// watch shows the rotation's lines.
type watch struct{ p *ui.Progress }

// Begin implements rotation.Watcher.
func (w watch) Begin(name, text string) rotation.Line { return w.p.Start(name, text) }
