package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/child"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// stopPatience is how long a command may take to end for a restart.
const stopPatience = 10 * time.Second

// forwarded are the signals that are the command's. The others are sent by the
// kernel or the terminal to it directly.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}

// runner keeps one command running.
type runner struct {
	session *session
	env     secrets.Environment
	command []string

	mu sync.Mutex
	// now is the command that runs, ending says that it was told to end and is
	// not to be started again.
	now    *child.Child
	ending bool
}

// runWith runs the command with the environment's values until it ends, and
// returns with its exit code.
func (s *session) runWith(ctx context.Context, e secrets.Environment, o envOptions) error {
	r := &runner{session: s, env: e, command: o.command}
	// Before pass asks for anything: a slip is cheap here.
	if _, err := r.spec(nil); err != nil {
		return err
	}
	w, err := r.watcher(ctx, o)
	if err != nil {
		return err
	}
	values, err := s.values(ctx, s.store, e)
	if err != nil {
		return err
	}
	stop := r.forward()
	defer stop()
	if o.watch {
		if err := child.Adopt(); err != nil {
			r.say("%v", err)
		}
	}
	if err := r.start(values); err != nil {
		return err
	}
	if r.now == nil {
		return context.Canceled // told to end just before
	}
	if !o.watch {
		return r.ended()
	}
	w.values = values
	return r.follow(context.WithoutCancel(ctx), w)
}

// spec is the command as it is started with these values.
func (r *runner) spec(values map[string]secrets.Value) (child.Spec, error) {
	a := r.session.app
	s := child.Spec{Args: r.command, Env: merged(a.env.Environ, values), Dir: a.env.Dir, Stdin: a.env.In, Stdout: a.stdout(), Stderr: a.env.Err}
	if s.Stdin == nil || s.Stdout == nil || s.Stderr == nil {
		return s, fmt.Errorf("a command needs files for its streams")
	}
	path := Env{Environ: s.Env}.Get("PATH")
	file, err := child.Find(r.command[0], path, a.env.Dir)
	if err != nil {
		return s, misused("command -v "+quoted(r.command[0]), "the command cannot be run: %v", err)
	}
	s.Path = file
	return s, nil
}

func (r *runner) start(values map[string]secrets.Value) error {
	spec, err := r.spec(values)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending {
		return nil
	}
	c, err := child.Start(spec)
	if err != nil {
		return misused("file "+quoted(spec.Path), "the command cannot be run: %v", err)
	}
	r.now = c
	return nil
}

// forward hands signals to the command that runs at that moment. What this
// process was started to ignore (nohup) stays ignored, for the command too.
func (r *runner) forward() (stop func()) {
	signals, done := make(chan os.Signal, 8), make(chan struct{})
	var heard []os.Signal
	for _, sig := range forwarded {
		if !signal.Ignored(sig) {
			heard = append(heard, sig)
		}
	}
	signal.Notify(signals, heard...)
	go func() {
		for {
			select {
			case sig := <-signals:
				r.mu.Lock()
				r.ending = r.ending || sig == syscall.SIGINT || sig == syscall.SIGTERM || sig == syscall.SIGQUIT
				if r.now != nil {
					r.now.Signal(sig.(syscall.Signal))
				}
				r.mu.Unlock()
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(signals); close(done) }
}

// ended waits for the command and returns with its code.
func (r *runner) ended() error {
	if code := r.now.Code(); code != 0 {
		return &statusError{code}
	}
	return nil
}

// endedAlone is ended for a command that is watched: what it leaves behind keeps
// its values, and nothing restarts it.
func (r *runner) endedAlone() error {
	if left := r.now.Left(); len(left) > 0 {
		r.say("the command has ended and left running: %s; a rotation does not restart that, so start it in the foreground", strings.Join(left, ", "))
	}
	return r.ended()
}

// watcher looks for new values. It never asks anybody for a passphrase: the
// terminal is the command's.
type watcher struct {
	store  *store.Store
	every  time.Duration
	stamp  string
	values map[string]secrets.Value
	// told is the last failure that was said, so that it is said once.
	told string
}

// watcher takes its first look before the values are read: a change in between
// is seen as one.
func (r *runner) watcher(ctx context.Context, o envOptions) (*watcher, error) {
	quiet := *r.session.app
	quiet.opts.noninteractive = true
	s := &session{app: &quiet, sandbox: r.session.sandbox}
	if err := s.openPass(ctx); err != nil {
		return nil, err
	}
	w := &watcher{store: s.store, every: o.every}
	var err error
	w.stamp, err = w.store.Stamp(entriesOf(r.env)...)
	return w, err
}

// follow restarts the command whenever a value has changed, until it ends by
// itself or is told to.
func (r *runner) follow(ctx context.Context, w *watcher) error {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	running := whileRuns(ctx, r.now)
	for {
		select {
		case <-r.now.Ended():
			return r.endedAlone()
		case <-tick.C:
		}
		r.now.Reap()
		fresh := r.fetch(running, w)
		changed := differing(w.values, fresh)
		if len(changed) == 0 || r.over() {
			continue
		}
		select {
		case <-r.now.Ended():
			return r.endedAlone()
		default:
		}
		r.say("%s changed in pass: the command is started anew", strings.Join(changed, ", "))
		w.values = fresh
		r.now.Stop(stopPatience)
		if err := r.start(fresh); err != nil {
			return err
		}
		running = whileRuns(ctx, r.now)
	}
}

// whileRuns ends with the command: nobody waits for a gpg that hangs to hear
// that it has ended.
func whileRuns(ctx context.Context, c *child.Child) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		<-c.Ended()
		cancel()
	}()
	return ctx
}

// over reports whether the command was told to end.
func (r *runner) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ending
}

// settle is how long the files must stay as they are before they are read: two
// entries of one credential are not written at the same instant.
const settle = 300 * time.Millisecond

// fetch returns all values where the entries' files have changed and everything
// could be read, nil otherwise.
func (r *runner) fetch(ctx context.Context, w *watcher) map[string]secrets.Value {
	paths := entriesOf(r.env)
	before, err := w.store.Stamp(paths...)
	if err == nil && before == w.stamp {
		w.told = ""
		return nil
	}
	var values map[string]secrets.Value
	if err == nil {
		timer := time.NewTimer(settle)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		values, err = r.session.values(ctx, w.store, r.env)
	}
	if err != nil {
		if ctx.Err() == nil {
			r.complain(w, err)
		}
		return nil
	}
	if after, err := w.store.Stamp(paths...); err != nil || after != before {
		return nil // somebody is writing: the next look shows what
	}
	w.stamp, w.told = before, ""
	return values
}

// complain says once that new values cannot be had.
func (r *runner) complain(w *watcher, err error) {
	if w.told == err.Error() {
		return
	}
	w.told = err.Error()
	r.say("the entries have changed but cannot be read, so the command keeps its values: %v", err)
	for _, next := range r.session.app.nextOf(err) {
		r.say("next: %s", next)
	}
}

// say writes a line of ours beside the command's own.
func (r *runner) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.session.err, "env --watch: "+format+"\n", args...)
}

// differing are the names whose values differ, sorted; none where there are no
// new ones.
func differing(old, fresh map[string]secrets.Value) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(fresh)) {
		if !old[name].Equal(fresh[name]) {
			out = append(out, name)
		}
	}
	return out
}
