//go:build slow

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

const wrongKey = "sk_live_wrongwrongwrongwrongwrong"

// adoptedWorld is made once: everything is rolled out, and the journal knows it.
var adoptedWorld struct {
	sync.Once
	dir string
	err error
}

// tookOver is a copy of it.
func tookOver(t *testing.T) *sandboxed {
	t.Helper()
	adoptedWorld.Do(func() {
		w := newWorld(t)
		if adoptedWorld.dir, adoptedWorld.err = os.MkdirTemp(shared.scratch, "a"); adoptedWorld.err != nil {
			return
		}
		adoptedWorld.dir += "/w"
		w.must("adopt", "--yes")
		endAgents(w.dir)
		adoptedWorld.err = copyWorld(w.dir, adoptedWorld.dir)
	})
	require.NoError(t, adoptedWorld.err)
	w := emptyWorld(t)
	require.NoError(t, copyWorld(adoptedWorld.dir, w.dir))
	return w
}

// drifts runs drift and returns its report.
func (w *sandboxed) drifts(code int, args ...string) drift.Report {
	w.t.Helper()
	r := w.run(append([]string{"drift", "--json"}, args...)...)
	require.Equal(w.t, code, r.code, "%v\n%s\n%s", args, tail(r.stdout, 60), tail(r.stderr, 30))
	var report drift.Report
	require.NoError(w.t, json.Unmarshal([]byte(r.stdout), &report), r.stdout)
	return report
}

// counting are the findings that count, by key.
func counting(r drift.Report) (out []string) {
	for _, f := range r.Findings {
		if f.Counts() {
			out = append(out, f.Key())
		}
	}
	return out
}

// did are the commands that were carried out, without what says which world.
func (w *sandboxed) did(r drift.Report) (out []string) {
	for _, m := range r.Mendings {
		command := strings.ReplaceAll(m.Command, " --sandbox="+w.dir, "")
		if at := strings.Index(command, " --catalog="); at > 0 {
			command = command[:at] + command[at+strings.Index(command[at+1:]+" ", " ")+1:]
		}
		if at := strings.Index(command, "pass git"); at > 0 {
			command = command[at:]
		}
		out = append(out, string(m.Outcome)+": "+command)
	}
	return out
}

// rolls are the secrets that were rolled out anew. Whether a change at a Worker is
// old enough to be told from the adoption's own depends on the machine.
func rolls(r drift.Report) (out []string) {
	for _, m := range r.Mendings {
		for _, name := range m.Names {
			if m.Verb == drift.Roll || m.Verb == drift.Anew {
				out = append(out, string(m.Outcome)+" "+name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// mends requires that drift --fix does exactly this and that the next check finds
// nothing.
func (w *sandboxed) mends(did []string, args ...string) drift.Report {
	w.t.Helper()
	fixed := w.drifts(0, append([]string{"--fix", "--yes"}, args...)...)
	require.Equal(w.t, did, w.did(fixed))
	require.Empty(w.t, counting(fixed))
	again := w.drifts(0, args...)
	require.Equal(w.t, drift.Clean, again.Answer)
	require.Empty(w.t, counting(again))
	return fixed
}

// acceptance is the command that takes a finding out of the answer.
var acceptance = regexp.MustCompile(`go run \. drift accept .* --reason TEXT`)

// Several changes at once, mendable and not: nothing happens without a word; then
// what can be mended is, once for each secret, and the rest stays with a person.
func TestLongDriftFixMixed(t *testing.T) {
	t.Parallel()
	w := tookOver(t)
	key, hook := w.pass(stripeKey), w.pass(stripeHook)
	w.disturb("tamper", "worker-secret", badges, "CLERK_SECRET_KEY", wrongKey)
	w.disturb("tamper", "worker-secret", badges, "NOBODY_KNOWS", "a value")
	w.disturb("tamper", "config-edited", payments, "stripe-secret-key", wrongKey)
	w.disturb("tamper", "token-created", "cloudflare")
	w.disturb("tamper", "pass-entry-added", "verifieddit/extra", "value")

	w.drifts(3) // git looks at a copied world's files anew, once
	before := w.everyByte()
	proposed := w.drifts(6, "--fix")
	require.Equal(t, before, w.everyByte())
	require.Equal(t, []string{"proposed clerk", "proposed stripe"}, rolls(proposed))
	require.Contains(t, w.run("drift", "--fix").stdout, "next: go run . drift --fix --sandbox="+w.dir+" --yes")

	left := w.drifts(3, "--fix", "--yes")
	require.Equal(t, []string{"done clerk", "done stripe"}, rolls(left))
	require.Equal(t, w.pass(clerkKey), w.truth().Consumers[badges].RunsWith["CLERK_SECRET_KEY"])
	require.Equal(t, pair{key, hook}, w.runsNow(payments))
	var codes []drift.Code
	for _, f := range left.Findings {
		if f.Counts() {
			codes = append(codes, f.Code)
		}
	}
	require.Equal(t, []drift.Code{drift.UnlistedCredential, drift.UnknownEntry, drift.UnmanagedAtConsumer}, codes)
	for _, f := range left.Findings {
		if f.Code == drift.UnlistedCredential || f.Code == drift.UnmanagedAtConsumer {
			// The fix of an unlisted credential does not hide it: the command stands in the
			// detail.
			accept := acceptance.FindString(f.Detail + "\n" + f.Fix)
			w.shell(strings.NewReplacer("go run .", shared.binary, "TEXT", "'not ours'").Replace(accept) + " >/dev/null")
		}
	}
	w.shell("pass rm -f verifieddit/extra >/dev/null && pass git push -q")
	again := w.drifts(0, "--fix", "--yes")
	require.Empty(t, again.Mendings, "what was accepted is left alone")
}

// The Worker lost everything in somebody's deploy; the container runs with another
// value that the state does not know of; an update was cut off.
func TestLongDriftFixBehindTheStatesBack(t *testing.T) {
	t.Parallel()
	w := tookOver(t)
	key, hook := w.pass(stripeKey), w.pass(stripeHook)
	w.disturb("tamper", "worker-upload", badges)
	w.disturb("tamper", "container-secret", payments, "STRIPE_SECRET_KEY", wrongKey)
	w.disturb("tamper", "state-pending", "infra")
	w.await("the container runs with it", func() bool { return w.runsNow(payments).key == wrongKey })
	w.mends([]string{
		"done: go run . adopt --secret clerk --secret sightengine --secret stripe --roll",
		"done: go run . adopt --secret scaleway --roll --anew",
	})
	require.Equal(t, pair{key, hook}, w.runsNow(payments))
	require.Equal(t, w.pass(clerkKey), w.truth().Consumers[badges].RunsWith["CLERK_SECRET_KEY"])
}

// Nothing was ever adopted: one name is deleted, one config key removed, one
// variable replaced.
func TestLongDriftFixRolledOutByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.disturb("tamper", "worker-no-secret", badges, "SIGHTENGINE_API_SECRET")
	w.disturb("tamper", "config-removed", payments, "stripe-secret-key")
	w.disturb("tamper", "container-no-secret", payments, "CLERK_SECRET_KEY")
	key := w.pass(stripeKey)
	// No rotation ever set the key, so it could be a slip of the catalog's: a person
	// says that it is to be made.
	gone := w.drifts(3)
	require.Contains(t, counting(gone), "missing-at-consumer:stripe/stripe-backend/stripe-secret-key")
	w.must("adopt", "--secret", "stripe", "--roll", "--create-keys", "--yes")
	w.mends([]string{"done: go run . adopt --secret sightengine --roll"})
	require.Equal(t, key, w.runsNow(payments).key)
	require.Equal(t, w.pass(clerkKey), w.truth().Consumers[payments].RunsWith["CLERK_SECRET_KEY"])
	require.Equal(t, w.pass("sightengine/api-secret"), w.truth().Consumers[badges].RunsWith["SIGHTENGINE_API_SECRET"])
}

// Rolled at the dashboard and edited into pass on another machine, and on this one
// without a push: what is proposed after the pull is made from a fresh check.
func TestLongDriftFixPass(t *testing.T) {
	t.Parallel()
	w := tookOver(t)
	old := w.pass(clerkKey)
	rolled := w.roll("clerk")["secret-key"]
	w.disturb("tamper", "pass-behind", clerkKey, rolled)
	w.mends([]string{
		"done: pass git pull --rebase",
		"done: go run . rotate --secret clerk --pending",
	})
	require.Equal(t, rolled, w.truth().Consumers[badges].RunsWith["CLERK_SECRET_KEY"])
	require.False(t, w.lives(old))

	next := w.roll("clerk")["secret-key"]
	w.disturb("tamper", "pass-unpushed", clerkKey, next)
	w.mends([]string{
		"done: pass git push",
		"done: go run . rotate --secret clerk --pending",
	})
	require.Equal(t, next, w.truth().Consumers[payments].RunsWith["CLERK_SECRET_KEY"])
	require.False(t, w.lives(rolled))
}

// A rotation was killed half way, another key was revoked at its service, and a
// dead Pulumi's lock is left on a third stack; a living one's stays.
func TestLongDriftFixWhatWasCutOff(t *testing.T) {
	t.Parallel()
	w := tookOver(t)
	old := w.pass(clerkKey)
	w.killWhen(cut{"pass holds the new value", func(w *sandboxed) bool { return w.matches("store/rotation/previous/verifieddit/clerk/secret-key.gpg") }}, "rotate", "--secret", "clerk", "--yes")
	revoked := w.value("sightengine", "api-secret")
	w.disturb("tamper", "revoked", revoked.ID)
	w.disturb("tamper", "state-locked", "infra")

	// Nobody can tell whether the other machine's update goes on.
	left := w.drifts(3, "--fix", "--yes")
	require.Equal(t, []string{
		"waiting: go run . unlock --stack infra",
		"done: go run . rotate --secret clerk",
		"done: go run . rotate --secret sightengine --new",
	}, w.did(left))
	require.Equal(t, []string{"unfinished-rotation:stack/infra"}, counting(left))
	require.Contains(t, strings.Join(left.Mendings[0].Next, " "), "unlock")
	require.False(t, w.lives(old))
	require.Equal(t, journal.Done, w.events("sightengine")[len(w.events("sightengine"))-1].State)

	w.must("unlock", "--stack", "infra", "--yes")
	host, err := os.Hostname()
	require.NoError(t, err)
	w.lock(1<<22+1, host) // no process has this number
	w.mends([]string{"done: go run . unlock --stack stripe-backend"})
}

// The grace is over and nobody came; all secrets are too old.
func TestLongDriftFixDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.pass(clerkKey)
	require.Equal(t, 6, w.run("rotate", "--secret", "clerk", "--hold", "--yes").code)
	w.must("hold", "--secret", "clerk", "--off")
	w.mends([]string{"done: go run . rotate --secret clerk"})
	require.False(t, w.lives(old))
}

func TestLongDriftFixOverdue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shell(`cd "$PASSWORD_STORE_DIR"
		export GIT_COMMITTER_DATE=2025-01-01T00:00:00Z GIT_AUTHOR_DATE=2025-01-01T00:00:00Z
		git commit -q --amend --no-edit --date=2025-01-01T00:00:00Z
		git push -q --force`)
	before := w.secretValues()
	fixed := w.mends([]string{"done: go run . rotate --secret clerk --secret clerk-test --secret cloudflare --secret scaleway --secret sightengine --secret stripe"})
	require.Len(t, fixed.Mendings[0].Findings, 6)
	require.NotEqual(t, before, w.secretValues())
}

// What somebody set at GitHub, whose values nobody can read, is set again; a
// declared container gets back what it lost.
func TestLongDriftFixPlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.runsNow(payments)
	w.shop(old)
	catalog := w.actions(old)
	raw, err := os.ReadFile(catalog)
	require.NoError(t, err)
	text := strings.Replace(string(raw), actionsConsumers, actionsConsumers+shopContainer, 1)
	require.NotEqual(t, string(raw), text)
	require.NoError(t, os.WriteFile(catalog, []byte(text), 0o600))
	w.must("adopt", "--secret", "stripe", "--yes", "--catalog", catalog)
	w.disturb("tamper", "ci-secret", "sanmarcsoft/verifieddit", "STRIPE_SECRET_KEY", wrongKey)
	w.change(func(s *world.State) { // clocks may differ by a minute
		r := s.GitHub[world.RepositoryName]
		secret := r.Secrets["STRIPE_SECRET_KEY"]
		secret.UpdatedAt = secret.UpdatedAt.Add(2 * time.Minute)
		r.Secrets["STRIPE_SECRET_KEY"] = secret
	})
	w.disturb("tamper", "container-no-secret", "shop", "STRIPE_WEBHOOK_SECRET")
	fixed := w.drifts(3, "--fix", "--yes", "--catalog", catalog)
	require.Equal(t, []string{"done: go run . adopt --secret stripe --roll --anew"}, w.did(fixed))
	for _, key := range counting(fixed) { // what this catalog does not know of
		require.Regexp(t, "^unmanaged-at-consumer:.*(/FOREIGN|/stripe-[a-z]+-[a-z]+|STRIPE_[A-Z_]+)$", key)
	}
	truth := w.truth()
	require.Equal(t, old.key, truth.Repositories["sanmarcsoft/verifieddit"].Secrets["STRIPE_SECRET_KEY"])
	require.Equal(t, old, w.runsNow("shop"))
	w.shopIsAsItWas()
}

// screen is what a terminal shows, as far as it was not looked for yet.
type screen struct {
	sync.Mutex
	text string
}

func (s *screen) Write(p []byte) (int, error) {
	s.Lock()
	defer s.Unlock()
	s.text += string(p)
	return len(p), nil
}

// has takes the text up to a part that has appeared.
func (s *screen) has(part string) bool {
	s.Lock()
	defer s.Unlock()
	_, rest, ok := strings.Cut(s.text, part)
	if ok {
		s.text = rest
	}
	return ok
}

// answers runs drift --fix at a terminal, types each key when its question is
// asked, and returns the exit code.
func (w *sandboxed) answers(keys ...string) int {
	w.t.Helper()
	var seen screen
	keyboard, theirs := terminalSeen(w.t, &seen)
	cmd := exec.Command(shared.binary, "drift", "--fix", "--sandbox="+w.dir)
	cmd.Dir, cmd.Env = w.root, append(slices.Clone(w.env), "TERM=xterm")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(w.t, cmd.Start())
	for i := 0; i < len(keys); i += 2 {
		w.await(keys[i], func() bool { return seen.has(keys[i]) })
		w.await("it can be answered", func() bool { return seen.has("submit") })
		_, err := keyboard.WriteString(keys[i+1])
		require.NoError(w.t, err)
	}
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// What is declined is skipped and the next is asked; Ctrl-C ends it all.
func TestLongDriftFixAsks(t *testing.T) {
	t.Parallel()
	w := tookOver(t)
	host, err := os.Hostname()
	require.NoError(t, err)
	lock := w.lock(1<<22+1, host)
	w.disturb("tamper", "worker-no-secret", badges, "SIGHTENGINE_API_SECRET")
	require.Equal(t, 130, w.answers("Take the lock away", "\x03"))
	require.FileExists(t, lock)
	require.NotContains(t, w.truth().Consumers[badges].RunsWith, "SIGHTENGINE_API_SECRET")

	require.Equal(t, 3, w.answers("Take the lock away", "n", "Go ahead?", "y"))
	require.FileExists(t, lock)
	require.Equal(t, w.pass("sightengine/api-secret"), w.truth().Consumers[badges].RunsWith["SIGHTENGINE_API_SECRET"])
	require.Equal(t, 0, w.answers("Take the lock away", "y"))
	require.NoFileExists(t, lock)
}
