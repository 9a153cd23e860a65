package proof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// environ compares the environment that a local process was started with. A
// process that changes its variables later, as few do, is not seen through.
func (a *Asker) environ(q Question, r *Result) {
	p := process{proc: a.Proc}
	if p.proc == "" {
		p.proc = "/proc"
	}
	if _, err := os.Stat(filepath.Join(p.proc, "self")); err != nil {
		r.say(Unknown, "this system does not show the environment of a process (no "+p.proc+")")
		return
	}
	vars, err := p.read(q.Consumer.Probe.PidFile, a.Now)
	if err != nil {
		r.say(Unreachable, err.Error())
		return
	}
	if len(vars) == 0 {
		r.say(Unknown, "the process shows no environment")
		return
	}
	what := "the environment of process " + p.id
	r.compare(q, what, func(name string, want services.Credential, entry string) (bool, string) {
		held := vars[name]
		if len(held) > 1 {
			return false, what + " has " + name + " more than once"
		}
		return len(held) == 1 && held[0].Equal(want[entry]), ""
	})
}

// process is one that a pid file names.
type process struct{ proc, id string }

const (
	// maxEnviron bounds what is read of an environment, in bytes: Linux' own
	// bound for arguments and environment together is a quarter of the stack's.
	maxEnviron = 8 << 20
	// ticks per second of the times in /proc: the same on every Linux.
	ticks = 100
	// slack is for the clock's steps between start and writing the file.
	slack = 2 * time.Second
)

// read returns the variables of the process, by name. The process must be the
// one that the file was written for: the kernel uses the numbers again, and a
// younger process is another one.
func (p *process) read(file string, now func() time.Time) (map[string][]secrets.Value, error) {
	written, err := p.readID(file)
	if err != nil {
		return nil, err
	}
	if err := p.ours(); err != nil {
		return nil, err
	}
	before, err := p.started()
	if err != nil {
		return nil, err
	}
	up, err := p.uptime()
	if err != nil {
		return nil, err
	}
	if at := now().Add(before - up); at.After(written.Add(slack)) {
		return nil, fmt.Errorf("process %s is not the one of pid file %s: it was started after the file was written, so the number was used again", p.id, file)
	}
	raw, err := p.environment()
	if err != nil {
		return nil, err
	}
	// Between the two looks another process may have got the number.
	if after, err := p.started(); err != nil || after != before {
		return nil, fmt.Errorf("process %s ended while it was asked", p.id)
	}
	return split(raw), nil
}

// readID reads the pid file and returns when it was written. Nobody but this
// user and root may choose the process that is believed.
func (p *process) readID(file string) (time.Time, error) {
	// Not waiting for a writer, if it should be a pipe.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the pid file: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the pid file: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() {
		return time.Time{}, fmt.Errorf("pid file %s is no file", file)
	}
	if !ok || info.Mode().Perm()&0o002 != 0 || int(owner.Uid) != 0 && int(owner.Uid) != os.Geteuid() {
		return time.Time{}, fmt.Errorf("pid file %s: others may write it, so it says nothing: chmod o-w, or name the process's own", file)
	}
	raw, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the pid file: %w", err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 32)
	if err != nil || n <= 0 {
		return time.Time{}, fmt.Errorf("pid file %s holds no process id", file)
	}
	p.id = strconv.FormatInt(n, 10)
	return info.ModTime(), nil
}

// ours refuses the processes of others: as root this program could read them,
// but then whoever writes the pid file chooses whose.
func (p *process) ours() error {
	info, err := os.Stat(filepath.Join(p.proc, p.id))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("process %s is gone", p.id)
	}
	if err != nil {
		return fmt.Errorf("looking at process %s: %w", p.id, err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("process %s runs as another user", p.id)
	}
	return nil
}

// started is the time from boot to the process's start: field 22 of its stat
// (proc_pid_stat(5)); the name before it may hold anything.
func (p *process) started() (time.Duration, error) {
	raw, err := os.ReadFile(filepath.Join(p.proc, p.id, "stat"))
	if err != nil {
		return 0, fmt.Errorf("process %s is gone", p.id)
	}
	text := string(raw)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const state, start = 0, 22 - 3
	if len(fields) <= start || fields[state] == "Z" || fields[state] == "X" {
		return 0, fmt.Errorf("process %s has ended", p.id)
	}
	n, err := strconv.ParseInt(fields[start], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("process %s does not say when it was started", p.id)
	}
	return time.Duration(n) * (time.Second / ticks), nil
}

// uptime is the time from boot to now.
func (p *process) uptime() (time.Duration, error) {
	raw, err := os.ReadFile(filepath.Join(p.proc, "uptime"))
	if err != nil {
		return 0, fmt.Errorf("reading the time since boot: %w", err)
	}
	seconds, _, _ := strings.Cut(string(raw), " ")
	up, err := time.ParseDuration(seconds + "s")
	if err != nil {
		return 0, errors.New("reading the time since boot: it has another form")
	}
	return up, nil
}

func (p *process) environment() ([]byte, error) {
	f, err := os.Open(filepath.Join(p.proc, p.id, "environ"))
	if err != nil {
		return nil, fmt.Errorf("the environment of process %s cannot be read: %w", p.id, withoutPath(err))
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxEnviron))
	if err != nil {
		return nil, fmt.Errorf("the environment of process %s cannot be read: %w", p.id, withoutPath(err))
	}
	return raw, nil
}

func withoutPath(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// split cuts NAME=VALUE, ended by NUL each, and forgets the text.
func split(raw []byte) map[string][]secrets.Value {
	defer clear(raw)
	out := map[string][]secrets.Value{}
	for one := range bytes.SplitSeq(raw, []byte{0}) {
		if name, value, ok := bytes.Cut(one, []byte{'='}); ok {
			out[string(name)] = append(out[string(name)], secrets.NewValue(value))
		}
	}
	return out
}
