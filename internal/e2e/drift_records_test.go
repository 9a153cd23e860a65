//go:build slow

package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// graceWorld is the world whose records the table below forges: clerk-test is rotated,
// the old Cloudflare token waits for the end of its grace period, and pass has an entry
// that the catalog does not know. All three commands that act have something to do there.
func graceWorld(t *testing.T) *keptRecords {
	t.Helper()
	w := newWorld(t)
	catalog := filepath.Join(w.root, "two.yaml")
	require.NoError(t, os.WriteFile(catalog, []byte(twoSecrets(t)), 0o600))
	w.must("rotate", "--secret", "clerk-test", "--yes", "--catalog", catalog)
	require.Equal(t, 6, w.run("rotate", "--secret", "cloudflare", "--grace", "24h", "--yes", "--catalog", catalog).code, "it waits for the grace period")
	w.shell("echo x | pass insert -m cloudflare/spare >/dev/null && pass git push -q")
	endAgents(w.dir)
	return &keptRecords{w, catalog}
}

// copied is another such world, for one row.
func (k *keptRecords) copied(t *testing.T) *keptRecords {
	t.Helper()
	w := emptyWorld(t)
	require.NoError(t, copyWorld(k.dir, w.dir))
	return &keptRecords{w, k.catalog}
}

// twoSecrets is the part of the embedded catalog that these two need: a check of
// everything takes little without a stack.
func twoSecrets(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(t, err)
	_, all, found := strings.Cut(string(raw), "\nsecrets:\n")
	require.True(t, found)
	text := `version: 1
store: {covers: [cloudflare, verifieddit], ignore: [cloudflare/zones/*, verifieddit/stripe/*, verifieddit/clerk/secret-key]}
state: {url: "s3://state?region=fr-par&endpoint=https://s3.fr-par.scw.cloud"}
services:
  cloudflare: {api: "https://api.cloudflare.com/client/v4", token: cloudflare/api-token, account: cloudflare/account-id}
  clerk: {api: "https://api.clerk.com/v1", publishableKey: verifieddit/clerk/publishable-key}
identifiers:
  - {path: cloudflare/account-id, title: Cloudflare account id}
  - {path: verifieddit/clerk/publishable-key, title: Clerk production publishable key}
secrets:
`
	for secret := range strings.SplitSeq(all, "\n\n") {
		if strings.HasPrefix(secret, "  - name: cloudflare\n") || strings.HasPrefix(secret, "  - name: clerk-test\n") {
			text += secret + "\n\n"
		}
	}
	return text
}

// keptRecords are the journal, the leases and the acceptances of a world.
type keptRecords struct {
	*sandboxed
	catalog string
}

func (k *keptRecords) at(name string) string {
	return filepath.Join(k.dir, "state", journal.Root, filepath.FromSlash(name))
}

func (k *keptRecords) read(name string) string {
	raw, err := os.ReadFile(k.at(name))
	require.NoError(k.t, err)
	return string(raw)
}

func (k *keptRecords) write(name, text string) {
	k.t.Helper()
	require.NoError(k.t, os.MkdirAll(filepath.Dir(k.at(name)), 0o700))
	require.NoError(k.t, os.WriteFile(k.at(name), []byte(text), 0o600))
}

// replace has something else stand in an object's place.
func (k *keptRecords) replace(name string, place func(at string) error) {
	k.t.Helper()
	require.NoError(k.t, os.MkdirAll(filepath.Dir(k.at(name)), 0o700))
	require.NoError(k.t, errors.Join(os.RemoveAll(k.at(name)), place(k.at(name))))
}

func pipe(at string) error   { return syscall.Mkfifo(at, 0o600) }
func folded(at string) error { return os.Mkdir(at, 0o700) }
func linked(to string) func(at string) error {
	return func(at string) error { return os.Symlink(to, at) }
}

// newest is the name of the newest event of cloudflare, and of the one after it.
func (k *keptRecords) newest() (last, next string) {
	k.t.Helper()
	all, err := filepath.Glob(k.at("cloudflare/*.json"))
	require.NoError(k.t, err)
	return event(len(all)), event(len(all) + 1)
}

func event(n int) string { return fmt.Sprintf("cloudflare/%06d.json", n) }

// doneEvent is what somebody appends who can write to the state alone: the old value
// is said to be rejected. The chain goes on.
func (k *keptRecords) doneEvent(change func(e map[string]any)) {
	last, next := k.newest()
	var e map[string]any
	raw := k.read(last)
	require.NoError(k.t, json.Unmarshal([]byte(raw), &e))
	e["number"], e["state"], e["step"], e["prev"] = e["number"].(float64)+1, "DONE", "rotated", fmt.Sprintf("%x", sha256.Sum256([]byte(raw)))
	e["revoked_at"], e["evidence"] = time.Now().UTC().Format(time.RFC3339), "cloudflare refuses the old api-token"
	delete(e, "key_id")
	delete(e, "mac")
	change(e)
	forged, err := json.MarshalIndent(e, "", "  ")
	require.NoError(k.t, err)
	k.write(next, string(forged)+"\n")
}

// hostile is a record that somebody else wrote, and the object that every command
// which looks at it has to name.
type hostile struct {
	name  string
	place func(k *keptRecords)
	names func(k *keptRecords) string
}

// hostileEvents are logs that nothing may be decided from.
func hostileEvents() []hostile {
	const second = "cloudflare/000002.json"
	last := func(k *keptRecords) string { at, _ := k.newest(); return at }
	always := func(name string) func(*keptRecords) string { return func(*keptRecords) string { return name } }
	edited := func(at func(*keptRecords) string, old, now string) func(*keptRecords) {
		return func(k *keptRecords) {
			k.edited(k.at(at(k)), k.at(at(k)), old, now)
		}
	}
	end := func(now string) func(*keptRecords) { return func(k *keptRecords) { k.write(last(k), now) } }
	instead := func(place func(string) error) func(*keptRecords) {
		return func(k *keptRecords) { k.replace(last(k), place) }
	}
	return []hostile{
		{"an event without a signature", func(k *keptRecords) { k.doneEvent(func(map[string]any) {}) }, last},
		{"an event with a wrong signature", func(k *keptRecords) {
			k.doneEvent(func(e map[string]any) { e["key_id"], e["mac"] = "0123456789abcdef", strings.Repeat("ab", 32) })
		}, nil},
		{"a signed event that was changed", edited(last, `"GRACE"`, `"REVOKING"`), last},
		{"an event in the middle that was changed", edited(always(second), `"pid"`, `"pid" `), always(second)},
		{"the grace period brought forward", edited(last, `"grace_until": "2`, `"grace_until": "1`), last},
		{"dated 2099", edited(last, `"time": "20`, `"time": "209`), last},
		{"an event of another secret", func(k *keptRecords) { k.write(last(k), k.read("clerk-test/000003.json")) }, last},
		{"an older event in the place of the newest", func(k *keptRecords) { k.write(last(k), k.read(second)) }, last},
		{"two events in each other's place", func(k *keptRecords) {
			a, b := k.read(second), k.read(event(3))
			k.write(second, b)
			k.write(event(3), a)
		}, always(second)},
		{"one is missing", func(k *keptRecords) { require.NoError(k.t, os.Remove(k.at(second))) }, always(second)},
		{"truncated", func(k *keptRecords) { require.NoError(k.t, os.Truncate(k.at(last(k)), 30)) }, last},
		{"binary", end("\x00\xff\x1b]0;owned\x07\x7fELF"), last},
		{"empty", end(""), last},
		{"nested without end", end(strings.Repeat("[", 200_000)), last},
		{"nested in a field", func(k *keptRecords) {
			k.write(last(k), `{"format":1,"step":`+strings.Repeat(`{"a":`, 9000)+"1"+strings.Repeat("}", 9001))
		}, last},
		{"huge", func(k *keptRecords) { require.NoError(k.t, os.Truncate(k.at(last(k)), 8<<30)) }, last},
		{"of a newer program", edited(last, `"format": 1`, `"format": 2`), last},
		{"a pipe", instead(pipe), last},
		{"a folder", instead(folded), last},
		{"a link out of the state", instead(linked("/dev/zero")), last},
		{"a link to nothing", instead(linked("nowhere")), last},
		{"a file that is none of ours", func(k *keptRecords) { k.write("cloudflare/notes.txt", "mine") }, always("cloudflare/notes.txt")},
		{"a pipe for the whole log", func(k *keptRecords) { k.replace("cloudflare", pipe) }, always("cloudflare")},
		{"a link for the whole log", func(k *keptRecords) { k.replace("cloudflare", linked("clerk-test")) }, always("cloudflare")},
	}
}

// hostileLeases bar the secret for as long as a lease lasts, and no longer: those that
// somebody seems to hold, and those that say nothing.
func hostileLeases() (held, unreadable []hostile) {
	const lease = ".leases/cloudflare/000900.json"
	claim := func(name, until string) func(*keptRecords) {
		return func(k *keptRecords) {
			k.write(lease, fmt.Sprintf(`{"format":1,"number":900,"name":%q,"holder":{"user":"eve","host":"elsewhere","pid":1},"since":%q,"until":%q}`, name, time.Now().UTC().Format(time.RFC3339), until))
		}
	}
	object := func(*keptRecords) string { return lease }
	eve := func(*keptRecords) string { return "eve on elsewhere" }
	return []hostile{
			{"a living lease of another host", claim("cloudflare", time.Now().Add(5*time.Minute).UTC().Format(time.RFC3339)), eve},
			{"a lease until 2099", claim("cloudflare", "2099-01-01T00:00:00Z"), eve},
		}, []hostile{
			{"a lease on another secret", claim("clerk-test", "2099-01-01T00:00:00Z"), object},
			{"a truncated lease", func(k *keptRecords) { k.write(lease, `{"format":1,"num`) }, object},
			{"a pipe for a lease", func(k *keptRecords) { k.replace(lease, pipe) }, object},
			{"a link for a lease", func(k *keptRecords) { k.replace(lease, linked("/dev/zero")) }, object},
		}
}

// hostileAcceptances would take what the check finds out of its answer.
func hostileAcceptances() (damaged, foreign []hostile) {
	const accepted = ".accepted/000001.json"
	spare := func(more string) func(*keptRecords) {
		return func(k *keptRecords) {
			k.write(accepted, `{"format":1,"number":1,"code":"unknown-entry","subject":"cloudflare/**","until":"2028-01-01T00:00:00Z","reason":"r","by":"eve","at":"2026-12-01T00:00:00Z"`+more+"\n}\n")
		}
	}
	object := func(*keptRecords) string { return accepted }
	return []hostile{
		{"an acceptance without a signature", func(k *keptRecords) {
			spare("")(k)
			// Events were signed long before.
			later := time.Now().Add(time.Hour)
			require.NoError(k.t, os.Chtimes(k.at(accepted), later, later))
		}, object},
		{"a pipe for an acceptance", func(k *keptRecords) { k.replace(accepted, pipe) }, object},
		{"an acceptance that is missing", func(k *keptRecords) { k.write(".accepted/000002.json", "{}") }, object},
	}, []hostile{{"an acceptance with a wrong signature", spare(",\n  \"key_id\": \"0123456789abcdef\",\n  \"mac\": \"ab\""), object}}
}

// outcome is what a command must end with; what it prints names the object.
type outcome struct {
	args  []string
	code  int
	names bool
}

// bounded runs one command that may take a minute: a slow machine needs a part of it.
func (k *keptRecords) bounded(o outcome, name string) {
	k.t.Helper()
	args := append([]string{"-k", "5", "60", shared.binary}, append(o.args, "--sandbox="+k.dir, "--catalog="+k.catalog)...)
	r := k.exec("", "timeout", args...)
	told := r.stdout + r.stderr
	require.NotContains(k.t, []int{124, 137}, r.code, "%v hangs", o.args)
	require.NotContains(k.t, told, "panic:", "%v", o.args)
	require.NotContains(k.t, told, "a fault in this program", "%v", o.args)
	require.NotContains(k.t, told, "\x1b]", "%v prints what a terminal obeys", o.args)
	require.Equal(k.t, o.code, r.code, "%v\n%s\n%s", o.args, r.stdout, r.stderr)
	if o.names {
		require.Contains(k.t, strings.Join(strings.Fields(told), " "), name, "%v", o.args)
	}
}

// farEnds is all that a command which obeyed would have changed.
func (k *keptRecords) farEnds() map[string]any {
	k.t.Helper()
	out := map[string]any{"credentials": k.truth().Credentials}
	for _, repository := range []string{"store/.git", "store.git"} {
		r := k.exec("", "git", "--git-dir="+filepath.Join(k.dir, repository), "rev-parse", "HEAD")
		require.Zero(k.t, r.code, r.stderr)
		out[repository] = r.stdout
	}
	var kept []string
	require.NoError(k.t, filepath.WalkDir(k.at(""), func(path string, d os.DirEntry, err error) error {
		if err == nil && !strings.Contains(path, "/.probe") {
			kept = append(kept, path)
		}
		return err
	}))
	out["records"] = kept
	return out
}

// Whatever stands where a journal, a lease or an acceptance should, the seven commands
// that read it refuse it or tell it. None obeys it, waits for it or falls over it.
func TestDriftAndAllThatReadsRecordsBesideHostileOnes(t *testing.T) {
	t.Parallel()
	const secret = "cloudflare"
	acts := func(code int) []outcome {
		return []outcome{{[]string{"rotate", "--secret", secret, "--grace", "0", "--yes"}, code, true},
			{[]string{"revoke", "--secret", secret, "--unproven", "--yes"}, code, true}, {[]string{"rollback", "--secret", secret, "--yes"}, code, true}}
	}
	looks := func(status, history, drift, doctor outcome) []outcome {
		status.args, history.args, drift.args, doctor.args = []string{"status"}, []string{"history"}, []string{"drift"}, []string{"doctor"}
		return []outcome{status, history, drift, doctor}
	}
	// What was accepted is in no rotation's way.
	goOn := []outcome{{[]string{"rotate", "--secret", secret, "--yes"}, 6, false}, {[]string{"revoke", "--due", "--yes"}, 0, false}, {[]string{"rollback", "--secret", secret, "--yes"}, 0, false}}
	held, unreadable := hostileLeases()
	damaged, foreign := hostileAcceptances()
	made := graceWorld(t)
	for _, kind := range []struct {
		name string
		rows []hostile
		// want are the outcomes of the seven commands.
		want []outcome
		// acts: some of them may act, as nothing is wrong with the log.
		acts bool
	}{
		{name: "events", rows: hostileEvents(), want: append(acts(1), looks(outcome{code: 4, names: true}, outcome{code: 1, names: true}, outcome{code: 3, names: true}, outcome{code: 1, names: true})...)},
		{name: "leases", rows: held, want: append(acts(5), looks(outcome{}, outcome{}, outcome{code: 3}, outcome{names: true})...)},
		{name: "leases", rows: unreadable, want: append(acts(5), looks(outcome{}, outcome{}, outcome{code: 3, names: true}, outcome{names: true})...)},
		{name: "acceptances", rows: damaged, acts: true, want: append(looks(outcome{}, outcome{}, outcome{code: 3, names: true}, outcome{code: 1, names: true}), goOn...)},
		{name: "acceptances", rows: foreign, acts: true, want: append(looks(outcome{}, outcome{}, outcome{code: 3}, outcome{names: true}), goOn...)},
	} {
		for _, row := range kind.rows {
			t.Run(kind.name+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				k := made.copied(t)
				row.place(k)
				name := "cloudflare"
				if row.names != nil {
					name = row.names(k)
				}
				before, seen := k.farEnds(), len(k.requests())
				for _, o := range kind.want {
					k.bounded(o, name)
				}
				if kind.acts {
					return
				}
				require.Equal(t, before, k.farEnds())
				for _, r := range k.requests()[seen:] {
					require.False(t, writes(r), "%s %s %s", r.Service, r.Method, r.Path)
				}
			})
		}
	}
}
