package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/printable"
	"github.com/sanmarcsoft/secret-rotation/internal/schedule"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
)

// scheduledFile is a file with its place; a crontab's has none.
type scheduledFile struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

func (a *app) scheduledFiles(o scheduling, p schedule.Plan) []scheduledFile {
	switch o.format {
	case formatCron:
		return []scheduledFile{{"", p.Cron()}}
	case formatGitHub:
		return []scheduledFile{{filepath.Join(a.unitDir(o), schedule.WorkflowName), p.Workflow()}}
	}
	var out []scheduledFile
	for _, f := range p.Units() {
		out = append(out, scheduledFile{filepath.Join(a.unitDir(o), f.Name), f.Text})
	}
	return out
}

// unitDir is where the files belong.
func (a *app) unitDir(o scheduling) string {
	switch {
	case o.dir != "":
		return a.absolute(o.dir)
	case o.format == formatGitHub:
		return filepath.Join(a.env.Dir, ".github", "workflows")
	case o.system:
		return "/etc/systemd/system"
	}
	config := a.env.Get("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		config = filepath.Join(a.env.Get("HOME"), ".config")
	}
	return filepath.Join(config, "systemd", "user")
}

// scheduleStep is one thing that install does, in words and in deed.
type scheduleStep struct {
	text string
	do   func(ctx context.Context) error
	// more is shown with the question only.
	more string
}

func (a *app) installSchedule(ctx context.Context, o scheduling) error {
	if err := a.checkScheduling(o); err != nil {
		return err
	}
	if o.system && o.dir == "" && os.Getuid() != 0 {
		return misused("sudo "+a.self()+" "+strings.Join(quotedAll(a.args), " "), "units of the system are root's to install (they run as you: SUDO_USER)")
	}
	var p schedule.Plan
	var err error
	if !o.remove {
		if p, err = a.schedulePlan(o); err != nil {
			return err
		}
		if err := a.secretFiles(p); err != nil {
			return err
		}
	}
	var steps []scheduleStep
	var next []string
	if o.format == formatCron {
		steps, next, err = a.cronSteps(ctx, o, p)
	} else {
		steps, next, err = a.fileSteps(ctx, o, p)
	}
	if err != nil {
		return err
	}
	if len(steps) > 0 {
		if err := a.agreeToSchedule(steps); err != nil {
			return err
		}
	}
	for i, step := range steps {
		if err := step.do(ctx); err != nil {
			done := "nothing was changed"
			if i > 0 {
				done = "done before: " + steps[0].text
				for _, s := range steps[1:i] {
					done += "; " + s.text
				}
			}
			return fmt.Errorf("%s: %w (%s)", step.text, err, done)
		}
	}
	return a.scheduleDone(steps, next)
}

// secretFiles are those that units name and that hold secrets: they must be
// there, and their owner's alone.
func (a *app) secretFiles(p schedule.Plan) error {
	for file, what := range map[string]string{p.EnvFile: "the values of the variables that --notify and --heartbeat name", p.Passphrase: "the Pulumi passphrase"} {
		if file == "" {
			continue
		}
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return misused(fmt.Sprintf("install -D -m 600 /dev/null %s && ${EDITOR:-vi} %s   (lines NAME=VALUE)", quoted(file), quoted(file)), "%s does not exist: it holds %s", file, what)
		case err != nil:
			return err
		case info.Mode().Perm()&0o077 != 0:
			return misused("chmod 600 "+quoted(file), "%s can be read by others (mode %o): it holds %s", file, info.Mode().Perm(), what)
		}
	}
	return nil
}

func (a *app) agreeToSchedule(steps []scheduleStep) error {
	for _, step := range steps {
		_, _ = fmt.Fprintf(a.env.Stderr, "  %s\n%s", step.text, step.more)
	}
	if a.opts.yes {
		return nil
	}
	again := typed(append(quotedAll(a.args), "--yes")...)
	if !a.interactive() {
		return misused(again, "there is no terminal to ask at, and --yes was not given; nothing was changed")
	}
	ok, err := ui.Terminal{In: a.env.In, Out: printable.Raw(a.env.Stderr)}.Confirm("Go ahead?", "Yes", "No")
	if errors.Is(err, ui.ErrAborted) || err == nil && !ok {
		return &rotation.Error{Reason: rotation.Failed, Detail: "not agreed to; nothing was changed", Next: []string{again}}
	}
	return err
}

func (a *app) scheduleDone(steps []scheduleStep, next []string) error {
	done := []string{}
	for _, s := range steps {
		done = append(done, s.text)
	}
	if a.opts.json {
		if next == nil {
			next = []string{}
		}
		return printJSON(a.env.Stdout, map[string]any{"done": done, "next": next})
	}
	if len(steps) == 0 {
		_, _ = fmt.Fprintln(a.env.Stdout, "nothing to do: it is as it should be")
	}
	for _, text := range done {
		_, _ = fmt.Fprintln(a.env.Stdout, "done: "+text)
	}
	for _, command := range next {
		_, _ = fmt.Fprintln(a.env.Stdout, "next: "+command)
	}
	return nil
}

// fileSteps are the steps for units or a workflow, and what is left to type.
func (a *app) fileSteps(ctx context.Context, o scheduling, p schedule.Plan) (steps []scheduleStep, next []string, err error) {
	names := []string{schedule.WorkflowName}
	if o.format == formatSystemd {
		names = schedule.UnitNames()
	}
	want := map[string]string{}
	if !o.remove {
		for _, f := range a.scheduledFiles(o, p) {
			want[filepath.Base(f.Path)] = f.Text
		}
	}
	var gone []string // timers that are there and wanted no more
	for _, name := range names {
		file := filepath.Join(a.unitDir(o), name)
		is, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		there, ours := err == nil, strings.HasPrefix(string(is), "# "+schedule.Mark)
		text, wanted := want[name]
		switch {
		case wanted && there && string(is) == text, !wanted && !there:
		case there && !ours:
			return nil, nil, misused("mv "+quoted(file)+" "+quoted(file+".mine"), "%s was not written by this program (its first line is another); it is left alone, and nothing was changed", file)
		case wanted:
			word := "write "
			if there {
				word = "replace "
			}
			steps = append(steps, scheduleStep{text: word + file, do: func(context.Context) error { return writeUnit(file, text) }})
		default:
			if strings.HasSuffix(name, ".timer") {
				gone = append(gone, name)
			}
			steps = append(steps, scheduleStep{text: "remove " + file, do: func(context.Context) error { return os.Remove(file) }})
		}
	}
	switch {
	case o.format == formatGitHub && len(steps) > 0:
		next = append(next, "git add "+quoted(filepath.Join(a.unitDir(o), schedule.WorkflowName))+" && git commit")
	case o.format == formatSystemd:
		return a.switchUnits(ctx, o, p, steps, gone)
	}
	return steps, next, nil
}

// switchUnits adds what systemd has to be told. Where it does not run, or the
// files are elsewhere, that is for a person to type.
func (a *app) switchUnits(ctx context.Context, o scheduling, p schedule.Plan, steps []scheduleStep, gone []string) ([]scheduleStep, []string, error) {
	ctl := []string{"systemctl", "--user"}
	if o.system {
		ctl = []string{"systemctl"}
	}
	call := func(words ...string) []string { return append(append([]string{}, ctl...), words...) }
	runs := o.dir == "" && a.answers(ctx, call("is-active", "--quiet", "timers.target")...)
	var before, after [][]string
	if len(gone) > 0 {
		before = append(before, call(append([]string{"disable", "--now"}, gone...)...))
	}
	changed := len(steps) > 0
	if changed {
		after = append(after, call("daemon-reload"))
	}
	if !o.remove {
		timers := p.Timers()
		off := changed || !runs
		for _, timer := range timers {
			off = off || !a.answers(ctx, call("is-enabled", "--quiet", timer)...) || !a.answers(ctx, call("is-active", "--quiet", timer)...)
		}
		if off {
			after = append(after, call(append([]string{"enable", "--now"}, timers...)...))
		}
	}
	var next []string
	if !runs {
		if !changed {
			return nil, nil, nil
		}
		if o.dir != "" && !o.remove {
			where := "~/.config/systemd/user/"
			if o.system {
				where = "/etc/systemd/system/"
			}
			next = append(next, "cp "+quoted(a.unitDir(o))+"/secret-rotation-* "+where)
		}
		for _, words := range append(before, after...) {
			next = append(next, strings.Join(words, " "))
		}
		return steps, append(next, a.lingerHint(o)...), nil
	}
	var all []scheduleStep
	for _, words := range before {
		all = append(all, a.commandStep(words))
	}
	all = append(all, steps...)
	for _, words := range after {
		all = append(all, a.commandStep(words))
	}
	if len(all) > 0 && !o.remove {
		next = append(next, a.lingerHint(o)...)
		next = append(next, strings.Join(call("start", schedule.DriftUnit+".service"), " ")+"   (a first run, now)")
	}
	return all, next, nil
}

// lingerHint: a user's timers run only while the user is logged in, unless.
func (a *app) lingerHint(o scheduling) []string {
	name := a.env.Get("USER")
	if o.system || o.remove || name == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join("/var/lib/systemd/linger", name)); err == nil {
		return nil
	}
	return []string{"loginctl enable-linger " + quoted(name) + "   (else the timers run only while " + name + " is logged in)"}
}

// writeUnit writes a file in one step; it holds no secret.
func writeUnit(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".schedule-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// commandPatience is how long systemctl or crontab may take.
const commandPatience = 30 * time.Second

func (a *app) tool(ctx context.Context, stdin string, words ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	if path := lookPath(a.env.Get("PATH"), words[0]); path != "" {
		cmd.Path, cmd.Err = path, nil
	}
	cmd.Env, cmd.Dir, cmd.Stdin = append(a.env.Environ, "LC_ALL=C"), "/", strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), strings.TrimSpace(errs.String()), err
}

// lookPath finds a program on the caller's PATH.
func lookPath(path, name string) string {
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && filepath.IsAbs(dir) {
			return file
		}
	}
	return ""
}

func (a *app) answers(ctx context.Context, words ...string) bool {
	_, _, err := a.tool(ctx, "", words...)
	return err == nil
}

func (a *app) commandStep(words []string) scheduleStep {
	return scheduleStep{text: strings.Join(words, " "), do: func(ctx context.Context) error {
		_, stderr, err := a.tool(ctx, "", words...)
		if err != nil && stderr != "" {
			return errors.New(firstLine(stderr))
		}
		return err
	}}
}

// cronSteps are the step that sets the crontab.
func (a *app) cronSteps(ctx context.Context, o scheduling, p schedule.Plan) ([]scheduleStep, []string, error) {
	text := ""
	if !o.remove {
		text = p.Cron()
	}
	if o.dir != "" {
		return a.cronFile(filepath.Join(a.absolute(o.dir), "secret-rotation.cron"), text)
	}
	if lookPath(a.env.Get("PATH"), "crontab") == "" {
		return nil, nil, misused("apt-get install cron   (or: go run . schedule install --format systemd)", "there is no crontab on this machine")
	}
	table, stderr, err := a.tool(ctx, "", "crontab", "-l")
	if err != nil && !strings.Contains(strings.ToLower(stderr), "no crontab for") {
		return nil, nil, fmt.Errorf("reading the crontab: %s: %w", firstLine(stderr), err)
	}
	if err != nil {
		table = ""
	}
	with, err := schedule.WithBlock(table, text)
	if err != nil {
		return nil, nil, misused("crontab -e   (and remove what is left of the block)", "%v; nothing was changed", err)
	}
	if with == table {
		return nil, nil, nil
	}
	what, more := "set the block of secret-rotation in the crontab; its other lines stay", indent(text)
	if o.remove {
		what, more = "take the block of secret-rotation out of the crontab; its other lines stay", ""
	}
	return []scheduleStep{{text: what, more: more, do: func(ctx context.Context) error {
		_, stderr, err := a.tool(ctx, with, "crontab", "-")
		if err != nil {
			return fmt.Errorf("%s: %w", firstLine(stderr), err)
		}
		return nil
	}}}, nil, nil
}

// cronFile are the steps that bring a file, for a person to put into a crontab,
// to that text; an empty one removes it.
func (a *app) cronFile(file, text string) ([]scheduleStep, []string, error) {
	is, err := os.ReadFile(file)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, nil, err
	case err != nil && text == "", err == nil && string(is) == text:
		return nil, nil, nil
	case text == "":
		return []scheduleStep{{text: "remove " + file, do: func(context.Context) error { return os.Remove(file) }}}, nil, nil
	}
	return []scheduleStep{{text: "write " + file, do: func(context.Context) error { return writeUnit(file, text) }}},
		[]string{"crontab -e   (and put the lines of " + file + " into it)"}, nil
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}

// self is the built program as it is typed: sudo knows no go run.
func (a *app) self() string {
	if file, err := a.builtProgram(); err == nil {
		return quoted(file)
	}
	return "./bin/secret-rotation"
}
