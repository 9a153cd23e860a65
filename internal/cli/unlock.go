package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func (a *app) unlockCommand() *cobra.Command {
	var stack string
	cmd := &cobra.Command{
		Use:   "unlock --stack NAME",
		Short: "Show who holds a stack's lock, and take it away",
		Long: `Shows who holds the Pulumi lock of a stack of the catalog, whether that process
still runs, and whether it belongs to a rotation. The lock of a process that is
proven dead on this host is taken away at once; for any other the stack's name
has to be typed (or --yes given): two updates at once damage the state.
Exit codes: 0 ok or not locked, 1 failed, 2 usage, 5 the lock was left where it is.`,
		Example: `  go run . unlock --stack stripe-backend
  go run . unlock --stack stripe-backend --yes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.unlock(cmd.Context(), stack) },
	}
	cmd.Flags().StringVar(&stack, "stack", "", "`NAME` of a stack in the catalog")
	return cmd
}

// held is one lock with what is known of its holder.
type held struct {
	target *rollout.Target
	lock   engine.Lock
	// holder is alive, dead or unknown.
	holder string
	// rotation says which unfinished rotation of ours it may belong to; secret
	// is that one's.
	rotation, secret string
	removed          bool
}

func (a *app) unlock(ctx context.Context, name string) error {
	cat, err := a.loadCatalog()
	if err != nil {
		return err
	}
	if err := oneStack(cat, name); err != nil {
		return err
	}
	s, err := a.light(ctx)
	if err != nil {
		return err
	}
	locks, err := s.locks(ctx, name)
	if err == nil {
		err = s.takeAway(ctx, name, locks, s.out)
	}
	s.progress.Close()
	if a.opts.json && (err == nil || len(locks) > 0) {
		err = errors.Join(err, printJSON(s.out, unlockDocument(name, locks)))
	}
	return errors.Join(err, s.close())
}

func oneStack(cat *secrets.Catalog, name string) error {
	if name == "" {
		var all []string
		for _, s := range cat.Stacks {
			all = append(all, s.Name)
		}
		return misused("go run . unlock --stack "+all[0], "no stack named; the catalog has %s", strings.Join(all, ", "))
	}
	_, err := stacksOf(cat, nil, []string{name}, "unlock")
	return err
}

// locks are those of every Pulumi stack that the catalog's stands for.
func (s *session) locks(ctx context.Context, name string) ([]*held, error) {
	if err := s.readIdentifiers(ctx); err != nil {
		return nil, err
	}
	targets, err := s.fleet().Look(ctx, name)
	if err != nil {
		return nil, err
	}
	var out []*held
	for _, t := range targets {
		for _, l := range t.State.Locks {
			h := &held{target: t, lock: l, holder: lives(l)}
			if err := s.ours(ctx, h); err != nil {
				return nil, err
			}
			out = append(out, h)
		}
	}
	return out, nil
}

// lives tells whether the holder of a lock still runs: alive, dead or, on
// another host, unknown.
func lives(l engine.Lock) string {
	host, err := os.Hostname()
	if err != nil || l.Host != host || l.Pid <= 0 {
		return "unknown"
	}
	if (journal.Holder{Host: l.Host, PID: l.Pid}).Dead() {
		return "dead"
	}
	return "alive"
}

// ours looks for an unfinished rotation that may have taken the lock: of a
// secret that the stack holds, by the same user on the same host.
func (s *session) ours(ctx context.Context, h *held) error {
	for _, secret := range s.catalog.Secrets {
		if !slices.ContainsFunc(secret.Consumers, func(c secrets.Consumer) bool { return c.Stack == h.target.Entry.Name }) {
			continue
		}
		log, err := s.journal.Open(ctx, secret.Name)
		if err != nil {
			return err
		}
		last := log.Last()
		if last.State.Finished() || last.Holder.Host != h.lock.Host || last.Holder.User != h.lock.User {
			continue
		}
		goes, running := "its process has ended", (*journal.HeldError)(nil)
		if err := s.journal.Holding(ctx, secret.Name, journal.StackLease(h.target.Entry.Name)); errors.As(err, &running) {
			goes = fmt.Sprintf("process %d is at work on it", running.Holder.PID)
		} else if err != nil {
			return err
		}
		h.secret, h.rotation = secret.Name, fmt.Sprintf("rotation %s of %s stands at %s, and %s", last.Rotation, secret.Name, last.State, goes)
		return nil
	}
	return nil
}

// takeAway removes the locks: those of the dead at once, others if a person
// says so.
func (s *session) takeAway(ctx context.Context, name string, locks []*held, out io.Writer) error {
	a := s.app
	if len(locks) == 0 {
		return s.say(out, "%s is not locked", name)
	}
	dead := true
	for _, h := range locks {
		dead = dead && h.holder == "dead"
		if err := s.say(out, "%s", h.text()); err != nil {
			return err
		}
	}
	if err := s.allowed(name, locks, dead); err != nil {
		return err
	}
	for _, h := range locks {
		if err := h.target.Unlock(ctx, []engine.Lock{h.lock}); err != nil {
			return err
		}
		h.removed = true
	}
	if err := s.say(out, "%s: the lock is taken away", name); err != nil {
		return err
	}
	for _, next := range afterUnlock(locks) {
		if err := s.say(out, "  %s %s", a.resultStyle().Dim("next:"), a.inPlace(next)); err != nil {
			return err
		}
	}
	return nil
}

// allowed: what is proven dead needs nobody's word, --yes is one.
func (s *session) allowed(name string, locks []*held, dead bool) error {
	a := s.app
	if dead || a.opts.yes {
		return nil
	}
	first := locks[0]
	left := &engine.Error{Kind: engine.Locked, Stack: name, Step: "unlocking", Err: errors.New("the lock is left where it is"), Holder: who(first.lock),
		Next: "look whether that update goes on; if it does not: go run . unlock --stack " + name + " --yes"}
	if !a.interactive() {
		return left
	}
	return s.progress.Pause(func() error {
		ok, err := ui.Terminal{In: a.env.In, Out: s.live}.Type("If that update still goes on, two will write the state and damage it. To take the lock away, type "+name, name)
		if errors.Is(err, ui.ErrAborted) || err == nil && !ok {
			return &declinedError{left, err != nil}
		}
		return err
	})
}

func afterUnlock(locks []*held) []string {
	var out []string
	for _, h := range locks {
		next := "go run . preview --stack " + h.target.Entry.Name
		if h.secret != "" {
			next = "go run . rotate --secret " + h.secret
		}
		if !contains(out, next) {
			out = append(out, next)
		}
	}
	return out
}

// say prints a line of the result, but not beside a JSON document.
func (s *session) say(out io.Writer, format string, args ...any) error {
	if s.app.opts.json {
		return nil
	}
	_, err := fmt.Fprintf(out, format+"\n", args...)
	return err
}

func who(l engine.Lock) string {
	if l.Host == "" {
		return "somebody (the lock cannot be read)"
	}
	return fmt.Sprintf("%s on %s (process %d, since %s)", l.User, l.Host, l.Pid, l.Time.UTC().Format(time.RFC3339))
}

// text is what a person has to know of a lock to decide.
func (h *held) text() string {
	lines := []string{h.target.Name + " is locked by " + who(h.lock)}
	switch h.holder {
	case "dead":
		lines = append(lines, "that process has ended")
	case "alive":
		lines = append(lines, "a process of that number runs on this host now"+command(h.lock.Pid))
	default:
		lines = append(lines, "it is on another host: whether it runs cannot be told from here")
	}
	if h.rotation == "" {
		return strings.Join(append(lines, "no rotation of ours is under way on it"), "\n  ")
	}
	return strings.Join(append(lines, h.rotation), "\n  ")
}

// command names the program of a process, where the system tells.
func command(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return ": " + strings.TrimSpace(string(data))
}

func unlockDocument(name string, locks []*held) any {
	type lock struct {
		Stack    string `json:"stack"`
		User     string `json:"user"`
		Host     string `json:"host"`
		PID      int    `json:"pid"`
		Since    string `json:"since"`
		Holder   string `json:"holder"`
		Rotation string `json:"rotation"`
		Removed  bool   `json:"removed"`
	}
	out := struct {
		Stack string `json:"stack"`
		Locks []lock `json:"locks"`
	}{Stack: name, Locks: []lock{}}
	for _, h := range locks {
		out.Locks = append(out.Locks, lock{h.target.Name, h.lock.User, h.lock.Host, h.lock.Pid, utc(h.lock.Time), h.holder, h.rotation, h.removed})
	}
	return out
}
