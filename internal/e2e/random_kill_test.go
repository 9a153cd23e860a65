//go:build slow

package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// How often TestRandomKills kills, and what its draws come from; 0 takes the time.
var (
	randomKills = flag.Int("kills", 60, "TestRandomKills: `number` of kills at least")
	randomSeed  = flag.Uint64("seed", 0, "TestRandomKills: `number` that its draws come from, 0 for another one each time")
)

// The test's load ends by itself: with the test's process, and after this much
// processor time.
const (
	busyProcesses = 2
	busySeconds   = 3600
)

// maxReruns is how often the same command may be typed after the last kill.
const maxReruns = 6

// Killed at random instants, on a machine that has other things to do, and typed
// again at once: what a killed run left behind is still at work then. The same
// command ends in DONE, one credential is alive, and what DONE says is true.
func TestRandomKills(t *testing.T) {
	seed := *randomSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("%d kills or more, -seed=%d", *randomKills, seed)
	busy(t)
	var kills atomic.Int64
	for lane := range uint64(2) {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			lot := rand.New(rand.NewPCG(seed, lane))
			for n := 0; kills.Load() < int64(*randomKills) && !t.Failed(); n++ {
				c := drawCase(lot)
				t.Run(fmt.Sprint(n, " ", c), func(t *testing.T) { kills.Add(int64(c.run(t))) })
			}
		})
	}
	t.Cleanup(func() { t.Logf("%d kills, -seed=%d", kills.Load(), seed) })
}

// busy keeps processors at work until the test ends.
func busy(t *testing.T) {
	const loop = `ulimit -t "$1"; while kill -0 "$2" 2>/dev/null; do i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; done`
	for range busyProcesses {
		cmd := exec.Command("/bin/sh", "-c", loop, "busy", strconv.Itoa(busySeconds), strconv.Itoa(os.Getpid()))
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
}

// randomCase is one world: what is rotated in it and when that is killed.
type randomCase struct {
	// secrets are rotated together; named as --all where it is all of them.
	secrets []string
	all     bool
	// served: the services outlive the killed runs, and so does what these had
	// started.
	served bool
	// kills are the runs before the first that nobody disturbs.
	kills []instant
}

// instant is when a run is killed: so long after its start, or after its first
// event of the deployment.
type instant struct {
	after     time.Duration
	deploying bool
}

func (i instant) String() string {
	if i.deploying {
		return fmt.Sprintf("deploying+%dms", i.after.Milliseconds())
	}
	return fmt.Sprintf("%dms", i.after.Milliseconds())
}

func drawCase(lot *rand.Rand) randomCase {
	c, span := randomCase{secrets: []string{"clerk"}}, 6*time.Second
	switch lot.IntN(6) {
	case 0:
		c.secrets, c.all, span = slices.Sorted(maps.Keys(subjects())), true, 12*time.Second
	case 1:
		c.secrets, span = []string{"cloudflare"}, 4*time.Second
	}
	c.served = lot.IntN(2) == 0
	for range 1 + lot.IntN(3) {
		i := instant{after: time.Duration(lot.Int64N(int64(span)))}
		if c.secrets[0] != "cloudflare" && lot.IntN(2) == 0 || c.all {
			i = instant{after: time.Duration(lot.Int64N(int64(900 * time.Millisecond))), deploying: lot.IntN(3) > 0}
		}
		c.kills = append(c.kills, i)
	}
	return c
}

func (c randomCase) String() string {
	text := strings.Join(c.secrets, "+")
	if c.all {
		text = "all"
	}
	if c.served {
		text += " served"
	}
	return fmt.Sprint(text, " ", c.kills)
}

func (c randomCase) command(w *sandboxed) []string {
	args := []string{"rotate", "--yes", "--json", "--grace", "0", "--sandbox=" + w.dir}
	if c.all {
		return append(args, "--all")
	}
	return append(args, "--secret", c.secrets[0])
}

// run kills as often as it was drawn and reruns until DONE; it returns how many
// runs were really killed.
func (c randomCase) run(t *testing.T) (kills int) {
	w := newWorld(t)
	if c.served {
		w.serve()
	}
	before := w.truth()
	old := map[string]string{}
	for _, name := range c.secrets {
		for _, path := range subjects()[name].paths {
			old[path] = w.pass(path)
		}
	}
	var story []string
	ended := false
	for n := 0; !ended; n++ {
		var at *instant
		if n < len(c.kills) {
			at = &c.kills[n]
		}
		r := w.killedAt(c.secrets, at, c.command(w)...)
		story = append(story, fmt.Sprintf("run %d (%v): exit %d\n%s", n+1, at, r.code, tail(r.stderr, 12)))
		if r.code == -1 {
			kills++
		}
		ended = c.done(w)
		require.True(t, ended || r.code != 0, "exit 0 and not DONE:\n%s", strings.Join(story, "\n"))
		require.True(t, ended || n < len(c.kills)+maxReruns, "stuck:\n%s", strings.Join(story, "\n"))
	}
	if wrong := c.untrue(w, before, old); len(wrong) > 0 {
		require.Fail(t, "DONE is not true", "%s\n%s", strings.Join(wrong, "\n"), strings.Join(story, "\n"))
	}
	return kills
}

// done: the journal of every secret says so, and the chain of each is whole.
func (c randomCase) done(w *sandboxed) bool {
	for _, name := range c.secrets {
		events := w.events(name)
		if len(events) == 0 || events[len(events)-1].State != journal.Done {
			return false
		}
	}
	return true
}

// untrue compares what DONE says with the world.
func (c randomCase) untrue(w *sandboxed, before world.Truth, old map[string]string) (wrong []string) {
	truth := w.truth()
	for _, name := range c.secrets {
		s := subjects()[name]
		for entry, path := range s.paths {
			now := w.pass(path)
			if now == old[path] {
				wrong = append(wrong, path+" holds the old value")
			}
			if was, is := len(alive(before, s.service, entry)), alive(truth, s.service, entry); len(is) != was {
				wrong = append(wrong, fmt.Sprintf("%d credentials of %s are alive, there were %d", len(is), path, was))
			} else if slices.Contains(is, old[path]) || !slices.Contains(is, now) {
				wrong = append(wrong, "the one that is alive of "+path+" is not pass's")
			}
			for consumer, runs := range truth.Consumers {
				for variable, value := range runs.RunsWith {
					if value == old[path] {
						wrong = append(wrong, fmt.Sprintf("%s runs with the old %s as %s", consumer, path, variable))
					}
				}
			}
		}
	}
	return wrong
}

// killedAt runs the program and kills it at that instant, if it has one and
// lives until then. Nothing waits for what the program has started.
func (w *sandboxed) killedAt(secrets []string, at *instant, args ...string) result {
	w.t.Helper()
	out, err := os.Create(filepath.Join(w.root, "stdout"))
	require.NoError(w.t, err)
	errs, err := os.Create(filepath.Join(w.root, "stderr"))
	require.NoError(w.t, err)
	defer func() { _, _ = out.Close(), errs.Close() }()
	deployments := w.deployments(secrets)
	cmd := w.command(shared.binary, args...)
	cmd.Stdout, cmd.Stderr = out, errs
	require.NoError(w.t, cmd.Start())
	var killer sync.WaitGroup
	ended := make(chan struct{})
	killer.Go(func() {
		limit := time.NewTimer(patience)
		defer limit.Stop()
		wait := limit.C
		if at != nil && at.deploying {
			for tick := time.NewTicker(5 * time.Millisecond); w.deployments(secrets) == deployments; {
				select {
				case <-ended:
					return
				case <-tick.C:
				}
			}
		}
		if at != nil {
			wait = time.After(at.after)
		}
		select {
		case <-ended:
		case <-wait:
			_ = cmd.Process.Signal(syscall.SIGKILL)
		}
	})
	_ = cmd.Wait()
	close(ended)
	killer.Wait()
	stdout, err := os.ReadFile(out.Name())
	require.NoError(w.t, err)
	stderr, err := os.ReadFile(errs.Name())
	require.NoError(w.t, err)
	r := result{code: cmd.ProcessState.ExitCode(), stdout: string(stdout), stderr: string(stderr)}
	require.True(w.t, at != nil || r.code != -1, "it did not end in %s:\n%s", patience, tail(r.stderr, 20))
	require.True(w.t, r.code != 0 || json.Valid(stdout), "%s", stdout)
	return r
}

// deployments counts the events that begin one.
func (w *sandboxed) deployments(secrets []string) (n int) {
	for _, name := range secrets {
		files, _ := filepath.Glob(filepath.Join(w.dir, "state", ".rotation", name, "*.json"))
		for _, file := range files {
			// Its writer may be at it.
			if raw, err := os.ReadFile(file); err == nil && strings.Contains(string(raw), "setting config and running up") {
				n++
			}
		}
	}
	return n
}
