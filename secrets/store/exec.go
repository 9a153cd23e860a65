package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// patience is how long a child may take to end after SIGTERM: git removes its
// index.lock in that time.
const patience = 2 * time.Second

// command is one child process.
type command struct {
	program string // full path
	args    []string
	dir     string
	env     []string
	stdin   []byte
	status  bool // read gpg's status lines from descriptor 3
}

// outcome is what a child left: stdout is as sensitive as what it was asked
// for, stderr is only ever shown through tail.
type outcome struct {
	stdout []byte
	stderr string
	status []string
	code   int // exit code; -1 after a signal
	signal syscall.Signal
}

// diskFull reports whether the child failed for want of room.
func (o outcome) diskFull() bool {
	for _, text := range []string{"No space left on device", "File too large", "Disk quota exceeded", "Out of diskspace"} {
		if strings.Contains(o.stderr, text) {
			return true
		}
	}
	return o.signal == syscall.SIGXFSZ
}

// run starts the command in a process group of its own and waits for it. At
// the end of ctx the whole group gets SIGTERM and, after patience, SIGKILL;
// the error is then ctx's. A child that fails is no error: see outcome.code.
func run(ctx context.Context, c command) (outcome, error) {
	cmd := exec.CommandContext(ctx, c.program, c.args...)
	cmd.Dir, cmd.Env, cmd.Stdin = c.dir, c.env, bytes.NewReader(c.stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = patience
	status, err := startWithStatus(cmd, c.status)
	if err != nil {
		return outcome{}, err
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		// The leader is gone; what it started may have ignored SIGTERM.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	out := outcome{stdout: stdout.Bytes(), stderr: stderr.String(), status: status(), code: cmd.ProcessState.ExitCode()}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		out.signal = ws.Signal()
	}
	if ctx.Err() != nil && out.code != 0 {
		return out, ctx.Err()
	}
	if _, failed := errors.AsType[*exec.ExitError](err); failed || errors.Is(err, exec.ErrWaitDelay) || out.code > 0 {
		return out, nil
	}
	return out, err
}

// endOfStatus is written behind the child's last status line: gpg's agent
// inherits the descriptor, so the end of the file may never come.
const endOfStatus = "end of status"

// startWithStatus starts cmd; the function it returns, to be called after Wait,
// gives the lines that the child wrote to descriptor 3.
func startWithStatus(cmd *exec.Cmd, wanted bool) (func() []string, error) {
	if !wanted {
		return func() []string { return nil }, cmd.Start()
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	read := make(chan []string, 1)
	go func() {
		var lines []string
		for scan := bufio.NewScanner(r); scan.Scan() && scan.Text() != endOfStatus; {
			lines = append(lines, scan.Text())
		}
		read <- lines
	}()
	return func() []string {
		_, _ = w.WriteString("\n" + endOfStatus + "\n")
		lines := <-read
		_, _ = w.Close(), r.Close()
		return lines
	}, nil
}

// find looks for the first of the programs on the PATH of env.
func find(env []string, programs ...string) (string, bool) {
	for _, program := range programs {
		for _, dir := range filepath.SplitList(getenv(env, "PATH")) {
			if !filepath.IsAbs(dir) {
				continue // a program from the current folder is nobody's wish
			}
			file := filepath.Join(dir, program)
			if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return file, true
			}
		}
	}
	return "", false
}

func notInstalled(program, pkg string) error {
	return &Error{Kind: NotFound, Op: "looking for " + program, Next: "apt install " + pkg,
		Detail: program + " is not on PATH; it is in package " + pkg}
}

// tail is the last telling line of a child's stderr, made safe to show: no
// control characters, no password of an address, not longer than a line.
func tail(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	last := ""
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if line != "" && (last == "" || !strings.HasPrefix(line, "hint:")) {
			last = line
		}
	}
	last = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, last)
	const longest = 200
	if len(last) > longest {
		last = last[:longest] + "…"
	}
	return withoutUserinfo(last)
}

// withoutUserinfo blanks what stands between "://" and "@".
func withoutUserinfo(text string) string {
	before, after, found := strings.Cut(text, "://")
	if !found {
		return text
	}
	host := strings.IndexAny(after, "/ '\"")
	if host < 0 {
		host = len(after)
	}
	if at := strings.LastIndexByte(after[:host], '@'); at >= 0 {
		after = after[at+1:]
	}
	return before + "://" + withoutUserinfo(after)
}
