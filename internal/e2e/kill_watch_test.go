//go:build slow

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// crashing is the program with the kill switch of the journal in it, built once.
var crashing = sync.OnceValues(func() (string, error) {
	kept := filepath.Join(shared.cache, "secret-rotation-e2e")
	lock, err := os.OpenFile(filepath.Join(kept, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	built, program := filepath.Join(kept, "secret-rotation-crash"), filepath.Join(shared.scratch, "secret-rotation-crash")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-tags", "crashtest", "-o", built, "../..").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	if os.Link(built, program) == nil {
		return program, nil
	}
	return program, copyFile(built, program, 0o700)
})

// subject is a secret as the invariants need to know it.
type subject struct {
	name, service string
	paths         map[string]string
	doors         []string
	consumers     []string
}

func subjects() map[string]subject {
	return map[string]subject{
		"clerk":       {"clerk", "clerk", map[string]string{"secret-key": clerkKey}, []string{"secret-key"}, []string{badges, payments}},
		"cloudflare":  {"cloudflare", "cloudflare", map[string]string{"api-token": cfToken}, []string{"api-token"}, []string{"readers-of-pass"}},
		"stripe":      {"stripe", "stripe", map[string]string{"secret-key": stripeKey, "webhook-secret": stripeHook}, []string{"secret-key"}, []string{payments}},
		"sightengine": {"sightengine", "sightengine", map[string]string{"api-user": seUser, "api-secret": seSecret}, nil, []string{badges}},
		"scaleway":    {"scaleway", "scaleway", map[string]string{"access-key": scwAccess, "api-secret": scwSecret}, []string{"api-secret"}, []string{"infra", payments, "registry"}},
	}
}

// observed is a world that somebody watches, while runs come and go: the
// consumers and services of a second process outlive them all.
type observed struct {
	*sandboxed
	subject
	before  world.Truth
	old     map[string]string
	runs    []ranOnce
	rests   []rest
	outputs map[string]string
	// base is pass's commit before the first run.
	base   string
	prober *prober
}

// observe starts to watch. before is the world as it was before its first run.
func observe(w *sandboxed, s subject, before world.Truth) *observed {
	w.t.Helper()
	o := unwatched(w, s, before)
	o.prober = probing(w, s, w.serve())
	w.t.Cleanup(func() { o.prober.end() })
	return o
}

// unwatched is a world in which nobody asks the consumers yet.
func unwatched(w *sandboxed, s subject, before world.Truth) *observed {
	w.t.Helper()
	r := w.exec("", "git", "--git-dir="+filepath.Join(w.dir, "store.git"), "config", "core.logAllRefUpdates", "always")
	require.Zero(w.t, r.code, r.stderr)
	return &observed{sandboxed: w, subject: s, before: before, old: map[string]string{}, outputs: map[string]string{},
		base: strings.TrimSpace(w.passCommand("", "git", "rev-parse", "HEAD").stdout)}
}

// first notes the values that the entries hold before any rotation.
func (o *observed) first() *observed {
	for entry, path := range o.paths {
		o.old[entry] = o.pass(path)
	}
	return o
}

// runKilled runs the program with the kill switch at that moment ("before:3");
// it reports whether the program was killed.
func (o *observed) runKilled(moment string, args ...string) (bool, result) {
	o.t.Helper()
	program, err := crashing()
	require.NoError(o.t, err)
	began := time.Now()
	r := o.with("SECRET_ROTATION_CRASH="+moment).exec("", program, append(args, "--sandbox="+o.dir)...)
	killed := r.code == -1
	require.True(o.t, killed || r.code >= 0 && r.code <= 6, "%d", r.code)
	o.runs = append(o.runs, ranOnce{began: began, ended: time.Now(), killed: killed, code: r.code})
	name := fmt.Sprintf("run %d (%s %v)", len(o.runs), moment, args)
	o.outputs["stdout of "+name], o.outputs["stderr of "+name] = r.stdout, r.stderr
	o.t.Logf("%s: exit %d", name, r.code)
	o.rest()
	return killed, r
}

// untilItEnds types the same command again until it ends well.
func (o *observed) untilItEnds(args ...string) result {
	o.t.Helper()
	var r result
	for range maxRuns {
		if _, r = o.runKilled("", args...); r.code == 0 {
			return r
		}
	}
	require.Zero(o.t, r.code, "%v: %s", args, tail(r.stderr, 25))
	return r
}

// rest takes down how things stand between two runs.
func (o *observed) rest() {
	o.t.Helper()
	r := rest{at: time.Now(), live: map[string][]string{}, kept: map[string]bool{}, used: map[string]bool{}}
	truth := o.truth()
	values := map[string]bool{}
	for _, path := range o.paths {
		for _, at := range []string{path, "rotation/pending/" + path, "rotation/previous/" + path} {
			if _, err := os.Stat(filepath.Join(o.dir, "store", at+".gpg")); err == nil {
				values[o.pass(at)] = true
			}
		}
	}
	running := map[string]bool{}
	for _, c := range truth.Consumers {
		for _, value := range c.RunsWith {
			running[value] = true
		}
	}
	for _, c := range truth.Credentials {
		if c.Service != o.service || o.paths[c.Entry] == "" || !c.Alive {
			continue
		}
		r.live[c.Entry] = append(r.live[c.Entry], c.ID)
		r.kept[c.ID], r.used[c.ID] = values[c.Value], running[c.Value]
	}
	o.rests = append(o.rests, r)
}

// look has every command that only looks do so, and notes what changed by it.
func (o *observed) look() {
	o.t.Helper()
	o.await("what a killed run had started ends", func() bool { return len(o.processes()) == 0 })
	before, asked := o.stands(), len(o.requests())
	for _, args := range [][]string{{"status", "--json"}, {"history", "--json"}, {"verify", "--secret", o.name, "--json"}} {
		r := o.run(args...)
		require.Contains(o.t, []int{0, 1, 3, 4, 6}, r.code, "%v: %s", args, r.stderr)
	}
	after := o.stands()
	last := &o.rests[len(o.rests)-1]
	if before.Head != after.Head || before.Dirty != after.Dirty || before.Remote != after.Remote {
		last.moved = append(last.moved, "pass")
	}
	if !maps.Equal(before.Files, after.Files) {
		last.moved = append(last.moved, differing(before.Files, after.Files)...)
	}
	for _, r := range slices.Concat(changing(o.requests()[asked:], "cloudflare"), changing(o.requests()[asked:], "scaleway")) {
		last.moved = append(last.moved, r.Method+" "+r.Path)
	}
}

// history is all that was seen.
func (o *observed) history() history {
	o.t.Helper()
	o.prober.end()
	h := history{secret: o.name, service: o.service, paths: o.paths, doors: o.doors, consumers: o.consumers, before: o.before, after: o.truth(),
		old: map[string]trueCredential{}, now: map[string]trueCredential{}, requests: o.requests(), events: o.events(o.name),
		runs: o.runs, rests: o.rests, probes: o.prober.seen, looks: o.prober.looks, leftovers: o.leftovers()}
	for entry, path := range o.paths {
		h.old[entry], h.now[entry] = credential(o.t, h.after, o.old[entry]), credential(o.t, h.after, o.pass(path))
	}
	for n := range h.events {
		raw, err := os.ReadFile(filepath.Join(o.dir, "state", ".rotation", o.name, fmt.Sprintf("%06d.json", n+1)))
		require.NoError(o.t, err)
		sum := sha256.Sum256(raw)
		h.sums = append(h.sums, hex.EncodeToString(sum[:]))
	}
	h.commits, h.pushes = o.commits(), o.pushes()
	// Scaleway calls a key by its access key: no secret without its other half.
	h.leaks = slices.DeleteFunc(o.places(needlesOf(o.secretValues()), o.outputs), func(place string) bool {
		return strings.HasPrefix(place, "scaleway access-key ") && strings.Contains(place, "/state/.rotation/scaleway/")
	})
	return h
}

// commits are pass's since the first run, oldest first.
func (o *observed) commits() []commit {
	var out []commit
	log := o.passCommand("", "git", "log", "--reverse", "--format=%x00%ct %H %s", "--name-only", o.base+"..HEAD").stdout
	for _, text := range strings.Split(log, "\x00")[1:] {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		fields := strings.SplitN(lines[0], " ", 3)
		seconds, err := strconv.ParseInt(fields[0], 10, 64)
		require.NoError(o.t, err)
		c := commit{at: time.Unix(seconds, 0), id: fields[1], subject: fields[2]}
		for _, path := range lines[1:] {
			if path != "" {
				c.paths = append(c.paths, path)
			}
		}
		out = append(out, c)
	}
	return out
}

// pushes are read off the remote's own log of its branch.
func (o *observed) pushes() []push {
	r := o.exec("", "git", "--git-dir="+filepath.Join(o.dir, "store.git"), "reflog", "show", "--date=unix", "--format=%H %gd", "main")
	require.Zero(o.t, r.code, r.stderr)
	var out []push
	for line := range strings.Lines(r.stdout) {
		var p push
		var seconds int64
		_, err := fmt.Sscanf(strings.TrimSpace(line), "%s main@{%d}", &p.head, &seconds)
		require.NoError(o.t, err, line)
		p.at = time.Unix(seconds, 0)
		out = append(out, p)
	}
	return out
}

// leftovers are what an ended rotation should have cleared away.
func (o *observed) leftovers() []string {
	o.t.Helper()
	var left []string
	for _, dir := range []string{o.home, o.tmp} {
		entries, err := os.ReadDir(dir)
		require.NoError(o.t, err)
		for _, e := range entries {
			left = append(left, filepath.Base(dir)+"/"+e.Name())
		}
	}
	left = append(left, o.stillRunning()...)
	left = append(left, o.unreleased()...)
	for _, pattern := range []string{"state/.pulumi/locks/*/*/*/*.json", "store/rotation/pending", "store/rotation/previous", "store/.git/*.lock", "*.tmp"} {
		found, err := filepath.Glob(filepath.Join(o.dir, pattern))
		require.NoError(o.t, err)
		left = append(left, found...)
	}
	checkpoints, err := filepath.Glob(filepath.Join(o.dir, "state/.pulumi/stacks/*/*.json"))
	require.NoError(o.t, err)
	for _, file := range checkpoints {
		raw, err := os.ReadFile(file)
		require.NoError(o.t, err)
		if bytes.Contains(raw, []byte(`"pending_operations": [`)) && !bytes.Contains(raw, []byte(`"pending_operations": []`)) {
			left = append(left, "a pending operation in "+file)
		}
	}
	for line := range strings.Lines(o.passCommand("", "git", "status", "--porcelain", "--branch").stdout) {
		if strings.TrimSpace(line) != "## main...origin/main" {
			left = append(left, "pass: "+strings.TrimSpace(line))
		}
	}
	projects := o.exec("", "git", "-C", filepath.Join(o.dir, "projects"), "status", "--porcelain", "-uall")
	for line := range strings.Lines(projects.stdout) {
		if !strings.Contains(line, "Pulumi.") || strings.Contains(line, "tmp") {
			left = append(left, "projects: "+strings.TrimSpace(line))
		}
	}
	return left
}

// unreleased are the leases whose newest claim was not given up, and what else
// stands in the journal's folders that is no object of it.
func (o *observed) unreleased() []string {
	var left []string
	files, err := filepath.Glob(filepath.Join(o.dir, "state/.rotation/.leases/*/*"))
	require.NoError(o.t, err)
	newest := map[string]string{}
	for _, file := range files {
		newest[filepath.Dir(file)] = file // sorted
	}
	require.NotEmpty(o.t, newest, "no lease was ever taken")
	for _, file := range newest {
		raw, err := os.ReadFile(file)
		require.NoError(o.t, err)
		if !bytes.Contains(raw, []byte(`"released":true`)) {
			left = append(left, "the lease "+file)
		}
	}
	events, err := filepath.Glob(filepath.Join(o.dir, "state/.rotation/*/*"))
	require.NoError(o.t, err)
	for _, file := range slices.Concat(files, events) {
		if filepath.Ext(file) != ".json" && !strings.Contains(file, "/.leases/") {
			left = append(left, file)
		}
	}
	return left
}

// stillRunning are the processes that do not end within some seconds.
func (o *observed) stillRunning() []string {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(10 * time.Second); len(o.processes()) > 0 && time.Now().Before(limit); {
		<-tick.C
	}
	return o.processes()
}

// processes are those of this world but for its servers and gpg's own.
func (o *observed) processes() []string {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(o.t, err)
	var found []string
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(environ, []byte(o.root+"/")) {
			continue
		}
		arguments, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		line := strings.TrimSpace(string(bytes.ReplaceAll(arguments, []byte{0}, []byte{' '})))
		if errors.Is(err, os.ErrNotExist) || line == "" || strings.Contains(line, "gpg-agent") || strings.Contains(line, "keyboxd") ||
			strings.Contains(line, " sandbox serve ") || filepath.Base(filepath.Dir(file)) == strconv.Itoa(os.Getpid()) {
			continue
		}
		found = append(found, "process "+filepath.Base(filepath.Dir(file))+": "+line)
	}
	return found
}

// holdsInvariants checks everything that was seen.
func (o *observed) holdsInvariants() history {
	o.t.Helper()
	h := o.history()
	if err := h.broken(); err != nil {
		require.Fail(o.t, "invariants are broken", "%v\n%s", err, story(h))
	}
	return h
}

// story is what happened, for the reader of a failure.
func story(h history) string {
	var b strings.Builder
	for _, e := range h.events {
		fmt.Fprintf(&b, "%s %-12s %s (process %d)\n", e.Time.Format(time.StampMilli), e.State, e.Step, e.Holder.PID)
	}
	for _, e := range h.effects() {
		fmt.Fprintf(&b, "%s %s\n", e.at.UTC().Format(time.StampMilli), e.what)
	}
	for i, r := range h.runs {
		fmt.Fprintf(&b, "%s..%s run %d, exit %d\n", r.began.UTC().Format(time.StampMilli), r.ended.UTC().Format(time.StampMilli), i+1, r.code)
	}
	return b.String()
}
