// Package schedule writes what runs the nightly drift check and the retirement of
// old values: systemd units, crontab lines, a GitHub Actions workflow.
package schedule

import (
	"bytes"
	"embed"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
	"time"
)

// Mark is the first line of everything written here; a file without it is not
// ours to change or remove.
const Mark = "Written by `secret-rotation schedule`, which replaces it."

// Plan is what is scheduled, and how.
type Plan struct {
	// Program is the built program's absolute path, Dir the folder it works in.
	Program, Dir string
	// Globals are the flags that every call has (--catalog=FILE).
	Globals []string
	// Install is MODULE@VERSION, what a workflow installs the program from; empty:
	// the repository is the program's own, and it is built from that.
	Install string
	// Hour and Minute, local time, are when the check runs.
	Hour, Minute int
	// Revoke: old values whose grace is over are retired, once an hour. It writes
	// to pass and to the services, the drift check does not.
	Revoke bool
	// Notify and Heartbeat are env:NAME or pass:PATH: addresses hold tokens, and
	// what is written here does not.
	Notify    []string
	Heartbeat string
	// Output is the file of the report, in the form that its ending says; empty:
	// the log has it.
	Output string

	// System: units of the system and not of the user; User is whose then.
	System bool
	User   string
	// Environment is NAME=VALUE, what tells the program where pass, gpg and its
	// own folders are; never a secret.
	Environment []string
	// EnvFile holds the variables that Notify and Heartbeat name; empty: none do.
	EnvFile string
	// Passphrase is the file of the Pulumi passphrase; empty: pass has it.
	Passphrase string
	// Reads are the folders that the check writes to for itself (gpg's, caches,
	// what git fetches), Writes those that only the retirement does.
	Reads, Writes []string
	// Log is the folder that a crontab line logs to.
	Log string
}

// File is one file to write.
type File struct {
	Name string // without a folder
	Text string
}

// The names of the units, without their endings.
const (
	DriftUnit  = "secret-rotation-drift"
	RevokeUnit = "secret-rotation-revoke"
)

// Job is one call that is scheduled.
type job struct {
	unit, title, calendar, delay, limit string
	cron                                string
	command                             []string
	success                             *success
	writes                              []string
}

// success are exit codes that are not a failure of the unit.
type success struct{ Codes, Why string }

func (p Plan) jobs() []job {
	all := []job{{
		unit: DriftUnit, title: "Nightly drift check of the secrets", limit: "45min", delay: "20min",
		calendar: fmt.Sprintf("*-*-* %02d:%02d:00", p.Hour, p.Minute), cron: fmt.Sprintf("%d %d * * *", p.Minute, p.Hour),
		command: p.driftCommand(), writes: p.Reads,
	}}
	if p.Revoke {
		all = append(all, job{
			unit: RevokeUnit, title: "Retirement of old secrets whose grace is over", limit: "45min", delay: "5min",
			calendar: "hourly", cron: fmt.Sprintf("%d * * * *", (p.Minute+20)%60),
			command: p.call("revoke", "--due", "--yes", "--non-interactive", "--no-color"),
			success: &success{"5 6", "Another run holds it, or it waits for a person: the next hour looks again, drift tells."},
			writes:  append(append([]string{}, p.Reads...), p.Writes...),
		})
	}
	return all
}

func (p Plan) call(words ...string) []string {
	return append(append([]string{p.Program}, words...), p.Globals...)
}

func (p Plan) driftCommand() []string {
	words := []string{"drift", "--non-interactive", "--no-color"}
	if p.Output != "" {
		words = append(words, "--format", Form(p.Output), "--output", p.Output)
	}
	for _, n := range p.Notify {
		words = append(words, "--notify", n)
	}
	if p.Heartbeat != "" {
		words = append(words, "--heartbeat", p.Heartbeat)
	}
	return p.call(words...)
}

// Form is drift's --format for a file, by its ending.
func Form(file string) string {
	switch filepath.Ext(file) {
	case ".html", ".htm":
		return "html"
	case ".md":
		return "markdown"
	case ".json":
		return "json"
	}
	return "text"
}

// Check refuses what could not be written down whole.
func (p Plan) Check() error {
	all := append(p.driftCommand(), p.Dir, p.EnvFile, p.Passphrase, p.Log, p.User)
	for _, text := range append(append(append(all, p.Environment...), p.Reads...), p.Writes...) {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("%q holds a control character, which no unit and no crontab can", text)
		}
	}
	if strings.ContainsAny(p.Program, `"'\`) {
		return fmt.Errorf("systemd starts no program whose path has quotes or a backslash: %s", p.Program)
	}
	return nil
}

//go:embed templates
var templates embed.FS

func render(name string, data any) string {
	t := template.Must(template.New(name).Delims("[[", "]]").Funcs(template.FuncMap{"word": unitWord, "path": unitPath, "exec": execLine}).
		ParseFS(templates, "templates/"+name))
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		panic(err) // the templates are part of the program
	}
	return b.String()
}

// Units are the service and the timer of every job.
func (p Plan) Units() []File {
	var out []File
	for _, j := range p.jobs() {
		out = append(out,
			File{j.unit + ".service", render("service.tmpl", map[string]any{"Mark": Mark, "Title": j.title, "System": p.System, "User": p.User,
				"Dir": p.Dir, "Command": j.command, "Success": j.success, "Limit": j.limit, "Environment": p.Environment,
				"EnvFile": p.EnvFile, "Passphrase": p.Passphrase, "Writes": j.writes})},
			File{j.unit + ".timer", render("timer.tmpl", map[string]any{"Mark": Mark, "Title": j.title, "Calendar": j.calendar, "Delay": j.delay})})
	}
	return out
}

// UnitNames are all names that Units may give, also those of other plans.
func UnitNames() []string {
	return []string{DriftUnit + ".service", DriftUnit + ".timer", RevokeUnit + ".service", RevokeUnit + ".timer"}
}

// Timers are the units to enable.
func (p Plan) Timers() []string {
	var out []string
	for _, j := range p.jobs() {
		out = append(out, j.unit+".timer")
	}
	return out
}

// WorkflowName is the file below .github/workflows.
const WorkflowName = "drift.yml"

// Workflow is the GitHub Actions workflow. GitHub's clock is UTC, and it builds
// or installs the program and gets the store itself: of the plan only the time,
// the flags of every call and the names of the variables matter.
func (p Plan) Workflow() string {
	name := func(ref, usual string) string {
		if n, ok := strings.CutPrefix(ref, "env:"); ok {
			return n
		}
		return usual
	}
	first := ""
	if len(p.Notify) > 0 {
		first = p.Notify[0]
	}
	program, globals := "./bin/secret-rotation", ""
	if p.Install != "" {
		program = `"$RUNNER_TEMP/bin/secret-rotation"`
	}
	for _, g := range p.Globals {
		globals += " " + shellWord(g)
	}
	return render("workflow.tmpl", map[string]any{"Mark": Mark, "Install": p.Install, "Program": program, "Globals": globals, "Cron": fmt.Sprintf("%d %d * * *", p.Minute, p.Hour),
		"NotifyName": name(first, "NOTIFY_URL"), "HeartbeatName": name(p.Heartbeat, "HEARTBEAT_URL")})
}

// ParseTime reads HH:MM.
func ParseTime(text string) (hour, minute int, err error) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, 0, fmt.Errorf("%q is not a time of day such as 03:17", text)
	}
	return t.Hour(), t.Minute(), nil
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=@+,-]+$`)

// unitWord is a word of a unit's setting that takes several.
func unitWord(s string) string {
	s = strings.ReplaceAll(s, "%", "%%")
	if plainWord.MatchString(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// unitPath is the value of a setting that is one path: it knows no quotes.
func unitPath(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// execLine is a command in ExecStart=, where a dollar would be a variable.
func execLine(words []string) string {
	// In the program's own path a dollar is a dollar.
	out := []string{unitWord(words[0])}
	for _, w := range words[1:] {
		out = append(out, strings.ReplaceAll(unitWord(w), "$", "$$"))
	}
	return strings.Join(out, " ")
}
