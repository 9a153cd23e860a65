package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/process"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/stackfile"
)

// Kind says what a caller can do about an error.
type Kind string

// The kinds of error.
const (
	Locked     Kind = "locked"      // somebody else updates the stack
	Auth       Kind = "auth"        // the state backend refuses the credentials
	Passphrase Kind = "passphrase"  // empty, or not this stack's
	Canceled   Kind = "canceled"    // interrupted
	NoProject  Kind = "no-project"  // no Pulumi.yaml that can be read
	NoStack    Kind = "no-stack"    // the backend does not have it
	NoLanguage Kind = "no-language" // the program's language plugin is missing
	NoPlugin   Kind = "no-plugin"   // a provider's plugin is missing
	Conflict   Kind = "conflict"    // somebody else's change, or a half-done update, is in the way
	NoState    Kind = "no-state"    // the state's folder is not there
	Disk       Kind = "disk"        // no space left
	Busy       Kind = "busy"        // a service has not finished an earlier change of a resource
	Failed     Kind = "failed"      // all else
)

// Error is what every method of this package fails with. It holds no text of
// the CLI but Tail, which went through the redactor.
type Error struct {
	Kind  Kind
	Stack string
	Step  string
	// Holder says who holds the lock (Locked).
	Holder string
	// Tail is the end of what the CLI printed.
	Tail string
	// Next is what to do about it.
	Next string
	Err  error
}

// Error says which step of which stack failed and why, in one line.
func (e *Error) Error() string {
	text := e.Step + " of " + e.Stack
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Holder != "" {
		text += ": held by " + e.Holder
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// wrap classifies an error of our own packages.
func (s *Stack) wrap(step string, err error) *Error {
	e := &Error{Kind: Failed, Stack: s.spec.Name, Step: step, Err: err}
	var damaged *backend.DamagedError
	switch {
	case errors.As(err, &damaged):
		e.Next = s.restore(damaged)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Kind = Canceled
	case errors.Is(err, stackfile.ErrEmptyPassphrase):
		e.Kind, e.Next = Passphrase, "put a passphrase into the file named by PULUMI_CONFIG_PASSPHRASE_FILE, or name its pass entry in the catalog"
	case errors.Is(err, stackfile.ErrPassphrase):
		e.Kind, e.Next = Passphrase, "name the stack's own passphrase in the catalog (stacks: passphrase), or set PULUMI_CONFIG_PASSPHRASE_FILE"
	case errors.Is(err, backend.ErrNoFolder):
		e.Kind, e.Next = NoState, "correct the state's address in the catalog (state: url, or the stack's backend), or make the folder"
	case errors.Is(err, backend.ErrAuth):
		e.Kind, e.Next = Auth, "run `go run . doctor`: it tries the state backend's credentials"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Kind, e.Next = Disk, "df -h   (free some space, then the same command again)"
	case errors.Is(err, stackfile.ErrChanged):
		e.Kind, e.Next = Conflict, "look at the file with `git diff` and decide which side is right"
	case errors.Is(err, stackfile.ErrFormat):
		e.Next = "mend " + s.file.Path + ", then see that the plain CLI reads it: pulumi config --stack " + s.name + " --cwd " + s.spec.Dir
	case errors.Is(err, stackfile.ErrProvider):
		e.Next = "move the stack to a provider that is: pulumi stack change-secrets-provider passphrase --stack " + s.name + " --cwd " + s.spec.Dir
	case errors.Is(err, errKeeper):
		e.Next = s.keeperNext()
	}
	return e
}

// restore is the command that puts a whole checkpoint in a damaged one's place.
func (s *Stack) restore(d *backend.DamagedError) string {
	from, to := d.Backup, d.Key
	dir, isFolder := strings.CutPrefix(s.address, "file://")
	dir, _, _ = strings.Cut(dir, "?")
	if isFolder {
		to = filepath.Join(dir, to)
	}
	switch {
	case isFolder && d.Backup != "":
		return "cp '" + filepath.Join(dir, from) + "' '" + to + "'   (no update may run; what the update since has changed, the next one changes again)"
	case d.Backup != "":
		return "copy object " + from + " over " + to + " in the state's bucket, or restore an older version of it"
	}
	return "restore " + to + " from a backup, or from the stack's newest file in .pulumi/history and .pulumi/backups"
}

// failure classifies a CLI process that did not end well.
func (s *Stack) failure(ctx context.Context, step string, res process.Result, err error) *Error {
	e := s.wrap(step, err)
	e.Tail = tailOf(res)
	if errors.Is(err, process.ErrKilled) {
		e.Kind, e.Next = Canceled, "run the same command again: it looks at what really happened first"
		return e
	}
	if e.Kind == Canceled || !res.Started {
		return e
	}
	for _, c := range classes() {
		if c.text.MatchString(res.Stderr) || c.text.MatchString(res.Stdout) {
			e.Kind, e.Err, e.Next = c.kind, errors.New(c.says), c.next
			break
		}
	}
	switch e.Kind {
	case Locked:
		e.Holder = s.holder(ctx)
		// Where one of the catalog's stacks stands for several, ours is NAME/STACK.
		name, _, _ := strings.Cut(s.spec.Name, "/")
		e.Next += name
	case Failed:
		if text := complaint(e.Tail); text != "" {
			e.Err = fmt.Errorf("%s: %w", text, e.Err)
		}
		if s.spec.Program == nil && step == "previewing" {
			e.Next = "mend the project until the plain CLI is content: pulumi preview --stack " + s.name + " --cwd " + s.spec.Dir
		}
	}
	return e
}

// complaint is the first error in the CLI's own words: what a resource's
// provider or the program said. Empty where nothing stands out.
func complaint(tail string) string {
	const most = 300
	lines := strings.Split(tail, "\n")
	for i, line := range lines {
		_, text, found := strings.Cut(line, "error: ")
		if !found {
			// The way of pulumi-language-yaml.
			_, text, found = strings.Cut(line, "Error: ")
		}
		if !found || strings.HasPrefix(text, "update failed") || strings.HasPrefix(text, "preview failed") {
			continue
		}
		// A provider's message may begin on the line below.
		for next := i + 1; strings.TrimSpace(text) == "" && next < len(lines); next++ {
			text = lines[next]
		}
		// A compiler says what and where further down.
		if at := place.FindString(tail); at != "" && !strings.Contains(text, at) {
			text = strings.TrimSpace(text) + ": " + at
		}
		if text = strings.TrimSpace(text); len(text) > most {
			text = strings.ToValidUTF8(text[:most], "") + "…"
		}
		return text
	}
	return ""
}

// place is a message as compilers give it, FILE:LINE:COLUMN: TEXT.
var place = regexp.MustCompile(`[^\s:]+\.[a-z]{1,4}:\d+:\d+: .+`)

type class struct {
	kind       Kind
	text       *regexp.Regexp
	says, next string
}

// classes are the CLI's messages that mean more than "failed", most telling
// first.
func classes() []class {
	re := regexp.MustCompile
	return []class{
		{Locked, re(`the stack is currently locked by|Another update is currently in progress|locks/organization/.*NotFound`),
			"the stack is locked", "wait for the other update; if its process is gone: go run . unlock --stack "},
		{Passphrase, re(`incorrect passphrase|passphrase must be set`),
			"the passphrase does not open this stack", "name the stack's own passphrase in the catalog (stacks: passphrase), or set PULUMI_CONFIG_PASSPHRASE_FILE"},
		{NoStack, re(`no stack named '[^']*' found`), "the state backend does not have the stack", "check `stack:` and the state backend in the catalog"},
		{NoProject, re(`no Pulumi\.yaml project file found|no project file found`), "the project file is gone", "check the stack's dir in the catalog"},
		{Disk, re(`no space left on device|disk quota exceeded`), "no space is left", "df -h   (free some space, then the same command again)"},
		{Auth, re(`AccessDenied|SignatureDoesNotMatch|InvalidAccessKeyId|ExpiredToken|get credentials: failed to refresh`),
			"the state backend refuses the credentials", "run `go run . doctor`: it tries the state backend's credentials"},
		{NoLanguage, re(`no language plugin|failed to load language plugin|pulumi-language-[a-z]+' (could )?not`),
			"the program's language plugin is missing", "run `go run . setup`"},
		{Busy, re(`is in a transient state|\btransient_state\b`),
			"an earlier change of a resource is not finished at its service", "wait until it is finished, then run the same command again"},
		{Conflict, re(`pending operations|\[409\] Conflict|already exists`),
			"something half done or already there is in the way", "run `go run . doctor`: it says what to clear"},
	}
}

// holder reads the lock objects; an empty answer means nobody could be named.
func (s *Stack) holder(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	b, err := s.bucket(ctx)
	if err != nil {
		return ""
	}
	defer b.Close()
	locks, err := backend.Locks(ctx, b, s.project.Name.String(), s.name)
	if err != nil {
		return ""
	}
	var names []string
	for _, l := range locks {
		if l.Host == "" {
			names = append(names, "an unreadable lock "+l.URL)
			continue
		}
		names = append(names, fmt.Sprintf("%s@%s (pid %d) since %s", l.User, l.Host, l.Pid, l.Time.Format(time.RFC3339)))
	}
	return strings.Join(names, ", ")
}

// colour is what language hosts paint with although the CLI is told not to.
var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// tailOf is the end of what a person would have seen last.
func tailOf(res process.Result) string {
	const most = 4 << 10
	text := strings.TrimSpace(strings.TrimSpace(res.Stdout) + "\n" + strings.TrimSpace(res.Stderr))
	text = colour.ReplaceAllString(text, "")
	if len(text) <= most {
		return text
	}
	text = text[len(text)-most:]
	if _, rest, ok := strings.Cut(text, "\n"); ok {
		text = rest
	}
	return "[…]\n" + text
}
