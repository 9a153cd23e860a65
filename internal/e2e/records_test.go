package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// secretRow is one secret of `status --json`, as DESIGN section 9 has it, and
// some of what follows.
type secretRow struct {
	Name       string   `json:"name"`
	AgeDays    *int     `json:"age_days"`
	MaxAgeDays *float64 `json:"max_age_days"`
	Due        *string  `json:"due"`
	State      *string  `json:"state"`
	Debts      []string `json:"debts"`
	Overdue    bool     `json:"overdue"`
	Since      string   `json:"since"`
	DatedBy    string   `json:"dated_by"`
	Rotation   string   `json:"rotation"`
	Edited     []string `json:"edited"`
	Error      string   `json:"error"`
}

func (w *sandboxed) status(code int, args ...string) map[string]secretRow {
	w.t.Helper()
	r := w.run(append([]string{"status", "--json"}, args...)...)
	require.Equal(w.t, code, r.code, r.stderr)
	var document struct{ Secrets []secretRow }
	require.NoError(w.t, json.Unmarshal([]byte(r.stdout), &document), r.stdout)
	out := map[string]secretRow{}
	for _, s := range document.Secrets {
		require.NotNil(w.t, s.MaxAgeDays)
		require.NotNil(w.t, s.Due)
		require.NotNil(w.t, s.State)
		require.NotNil(w.t, s.Debts, "debts is a list")
		out[s.Name] = s
	}
	require.Len(w.t, out, 6)
	return out
}

// TestTheRecordsFollowARotation: before any, after one, with one cut off and
// after another, as status and history tell them.
func TestTheRecordsFollowARotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, s := range w.status(0) {
		require.Zero(t, *s.AgeDays, name)
		require.Equal(t, "pass", s.DatedBy, name)
		require.Empty(t, *s.State, name)
		require.False(t, s.Overdue)
	}
	plain := w.must("status")
	require.Contains(t, plain.stdout, "age by pass's history")
	require.Contains(t, plain.stdout, "6 secrets, nothing to do")
	require.Contains(t, w.must("history").stdout, "no rotation is recorded yet")
	require.JSONEq(t, "[]", w.must("history", "--json").stdout)

	before := len(w.requests())
	w.must("rotate", "--secret", "clerk", "--yes")
	asked := len(w.requests())
	require.Greater(t, asked, before)
	row := w.status(0)["clerk"]
	events := w.events("clerk")
	end := events[len(events)-1]
	require.Equal(t, "journal", row.DatedBy)
	require.Equal(t, end.RevokedAt.UTC().Format(time.RFC3339), row.Since)
	require.Equal(t, end.RevokedAt.Add(90*24*time.Hour).UTC().Format(time.RFC3339), *row.Due)
	require.Equal(t, []any{"DONE", 90.0, 0, end.Rotation}, []any{*row.State, *row.MaxAgeDays, *row.AgeDays, row.Rotation})
	require.Equal(t, asked, len(w.requests()), "status asks no service and no consumer")
	require.Contains(t, w.must("status").stdout, "git -C "+filepath.Join(w.dir, stripeFolder)+" commit", "the changed config file")

	w.killWhen(cut{"stripe is being deployed", func(w *sandboxed) bool {
		return w.matches("state/.rotation/stripe/000005.json")
	}}, "rotate", "--secret", "stripe", "--yes")
	cutOff := w.must("status")
	require.Regexp(t, `(?m)^  SECRET .*\n  stripe .*stopped at [A-Z]+ \(`, cutOff.stdout, "what is urgent comes first")
	require.Contains(t, cutOff.stdout, "1 unfinished")
	require.Contains(t, cutOff.stdout, "next: go run . rotate --sandbox="+w.dir+" --secret stripe")
	require.Equal(t, "pass", w.status(0)["stripe"].DatedBy, "no date before the end")
	w.rotateOn("stripe")

	w.historyOf("stripe", "clerk")
}

// rotateOn takes an unfinished rotation to its end, behind an update that may
// still go on.
func (w *sandboxed) rotateOn(secret string) {
	w.t.Helper()
	r := w.run("rotate", "--secret", secret, "--yes")
	for limit := time.Now().Add(patience); r.code == 5 && time.Now().Before(limit); {
		r = w.run("rotate", "--secret", secret, "--yes")
	}
	require.Zero(w.t, r.code, tail(r.stderr, 20))
}

// historyOf requires one rotation of each of these secrets, newest first.
func (w *sandboxed) historyOf(names ...string) {
	w.t.Helper()
	var past []struct {
		Rotation, Secret, State, Began, Ended string
		Seconds                               float64
		By                                    []string
		Entries                               []struct{ Name, Path, From, To string }
		Proofs                                []struct{ Consumer, Proof, Answer string }
		Revoked                               struct{ Evidence string }
		Debts                                 []string
		Events                                []struct{ State, Step, Holder string }
	}
	r := w.must("history", "--json")
	require.NoError(w.t, json.Unmarshal([]byte(r.stdout), &past), r.stdout)
	require.Len(w.t, past, len(names))
	plain := w.must("history").stdout
	for i, name := range names {
		p, events := past[i], w.events(name)
		require.Equal(w.t, []string{name, "DONE", events[0].Rotation}, []string{p.Secret, p.State, p.Rotation})
		require.Len(w.t, p.Events, len(events))
		require.NotEmpty(w.t, p.Ended)
		require.Positive(w.t, p.Seconds)
		require.Len(w.t, p.By, 1)
		require.NotEmpty(w.t, p.Proofs)
		require.NotEmpty(w.t, p.Revoked.Evidence)
		line := strings.Split(plain, "\n")[i+1]
		for _, e := range p.Entries {
			require.Regexp(w.t, `^[0-9a-f]{8}$`, e.From)
			require.Regexp(w.t, `^[0-9a-f]{8}$`, e.To)
			require.Contains(w.t, line, e.Name+" "+e.From+" -> "+e.To)
		}
		require.Contains(w.t, line, p.By[0])
		require.Regexp(w.t, `proofs: .*\d (exact|configured)`, line)
	}
	only := w.must("history", "--secret", names[1], "-v").stdout
	require.Contains(w.t, only, "plan agreed to")
	require.NotRegexp(w.t, `(?m)^  \d{4}-.*  `+names[0]+`  `, only)
}

// TestOverdue: the age that pass's history tells is enough.
func TestOverdue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(t, err)
	file := filepath.Join(w.root, "c.yaml")
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(raw), "maxAge: 180d", "maxAge: 1h")), 0o600))
	// Somebody set it two hours ago.
	shell := *w
	shell.env = append(append([]string{}, w.env...), "GIT_COMMITTER_DATE="+time.Now().Add(-2*time.Hour).Format(time.RFC3339))
	shell.insert(seUser, w.pass(seUser))
	rows := w.status(0, "--catalog="+file)
	require.True(t, rows["sightengine"].Overdue, "a pair is as old as its oldest entry")
	require.InDelta(t, 0.04, *rows["sightengine"].MaxAgeDays, 0.001)
	require.False(t, rows["clerk-test"].Overdue)
	plain := w.must("status", "--catalog="+file).stdout
	require.Regexp(t, `(?m)^  SECRET .*\n  sightengine +2h +1h .*overdue by 1h`, plain)
	require.Contains(t, plain, "1 overdue")
	require.Contains(t, plain, "next: go run . rotate --sandbox="+w.dir+" --catalog="+file+" --secret sightengine")
}

// TestADamagedJournal is told, and hides nothing of the other secrets.
func TestADamagedJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must("rotate", "--secret", "sightengine", "--yes")
	first := filepath.Join(w.dir, "state", ".rotation", "sightengine", "000001.json")
	raw, err := os.ReadFile(first)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(first, []byte(strings.Replace(string(raw), "plan agreed to", "plan not seen", 1)), 0o600))
	r := w.run("history")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "journal of sightengine is damaged")

	folder := filepath.Dir(first)
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(folder, files[len(files)-1].Name()), 10))
	row := w.status(4)["sightengine"]
	require.Contains(t, row.Error, "damaged")
	require.Nil(t, row.AgeDays, "unknown is never shown as fine")
	r = w.run("status")
	require.Equal(t, 4, r.code)
	require.Regexp(t, `(?m)^  SECRET .*\n  sightengine +unknown .*cannot be read`, r.stdout)
	require.Contains(t, r.stdout, "stripe ")
}

// TestUnlock: a dead holder's lock goes at once, anybody else's on a word.
func TestUnlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Contains(t, w.must("unlock", "--stack", "stripe-backend").stdout, "is not locked")

	ended := exec.Command("true")
	require.NoError(t, ended.Run())
	host, err := os.Hostname()
	require.NoError(t, err)
	file := w.lock(ended.Process.Pid, host)
	r := w.must("unlock", "--stack", "stripe-backend")
	require.Contains(t, r.stdout, "that process has ended")
	require.Contains(t, r.stdout, "ann on "+host)
	require.NoFileExists(t, file)

	for holder, says := range map[string]string{host: "a process of that number runs", "laptop": "cannot be told"} {
		file = w.lock(os.Getpid(), holder)
		r = w.run("unlock", "--stack", "stripe-backend")
		require.Equal(t, 5, r.code)
		require.Contains(t, r.stdout, says)
		require.Contains(t, r.stdout, "no rotation of ours is under way")
		require.Contains(t, r.stderr, "unlock --sandbox="+w.dir+" --stack stripe-backend --yes")
		require.FileExists(t, file, "nobody said so")
		refused := w.run("rotate", "--secret", "stripe", "--yes")
		require.Equal(t, 5, refused.code)
		require.Contains(t, refused.stderr, "go run . unlock --sandbox="+w.dir+" --stack stripe-backend")
		var document struct {
			Locks []struct {
				User, Host, Holder string
				PID                int
				Removed            bool
			}
		}
		r = w.must("unlock", "--stack", "stripe-backend", "--yes", "--json")
		require.NoError(t, json.Unmarshal([]byte(r.stdout), &document))
		require.Len(t, document.Locks, 1)
		require.Equal(t, os.Getpid(), document.Locks[0].PID)
		require.True(t, document.Locks[0].Removed)
		require.NoFileExists(t, file)
	}
	w.must("rotate", "--secret", "stripe", "--yes")
}

// lock is the lock that a Pulumi CLI leaves on stripe-backend.
func (w *sandboxed) lock(pid int, host string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, "state", ".pulumi", "locks", "organization", "stripe-backend", "prod")
	require.NoError(w.t, os.MkdirAll(dir, 0o700))
	file := filepath.Join(dir, "4c2f.json")
	text := fmt.Sprintf(`{"pid":%d,"username":"ann","hostname":%q,"timestamp":"2026-11-22T20:00:00Z"}`, pid, host)
	require.NoError(w.t, os.WriteFile(file, []byte(text), 0o600))
	return file
}
