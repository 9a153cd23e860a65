package rotation

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// What stands where a journal or a lease should: each is refused or told, nothing
// is obeyed, issued or revoked because of it, and nothing is waited for.
func TestHostileJournalsAndLeasesAreRefusedOrTold(t *testing.T) {
	w := newWorld(t)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	whole := w.journal
	log := func(name string) string { return filepath.Join(w.journal, journal.Root, "acme", name) }
	lease := func(name string) string { return filepath.Join(w.journal, journal.Root, ".leases", "acme", name) }
	newest, err := filepath.Glob(filepath.Join(whole, journal.Root, "acme", "*.json"))
	require.NoError(t, err)
	last := filepath.Base(newest[len(newest)-1])
	write := func(file, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	read := func(file string) string {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(data)
	}
	claim := `{"format":1,"number":900,"name":"acme","holder":{"user":"ann","host":"elsewhere","pid":1},"since":"2026-01-01T00:00:00Z","until":"2099-01-01T00:00:00Z"}`
	for name, row := range map[string]struct {
		place func()
		// barred: the log is whole, and somebody seems to hold the lease.
		barred bool
	}{
		"forged end":         {func() { write(log(last), strings.Replace(read(log(last)), "refuses the old", "has lost the old", 1)) }, false},
		"forged in between":  {func() { write(log("000002.json"), strings.Replace(read(log("000002.json")), `"pid"`, `"pid" `, 1)) }, false},
		"truncated":          {func() { require.NoError(t, os.Truncate(log(last), 30)) }, false},
		"empty":              {func() { write(log(last), "") }, false},
		"exchanged":          {func() { write(log(last), read(log("000003.json"))) }, false},
		"future-dated":       {func() { write(log(last), strings.Replace(read(log(last)), `"time": "20`, `"time": "29`, 1)) }, false},
		"of a newer program": {func() { write(log(last), strings.Replace(read(log(last)), `"format": 1`, `"format": 2`, 1)) }, false},
		"of another secret":  {func() { write(log(last), strings.ReplaceAll(read(log(last)), `"acme"`, `"other"`)) }, false},
		"pipe":               {func() { require.NoError(t, syscall.Mkfifo(log("000999.json"), 0o600)) }, false},
		"link":               {func() { require.NoError(t, os.Symlink("/dev/zero", log("000999.json"))) }, false},
		"stray file":         {func() { write(log("notes.txt"), "mine") }, false},
		"one is missing":     {func() { require.NoError(t, os.Remove(log("000002.json"))) }, false},
		"lease to 2099":      {func() { write(lease("000900.json"), claim) }, true},
		"truncated lease":    {func() { write(lease("000900.json"), claim[:40]) }, true},
		"foreign lease":      {func() { write(lease("000900.json"), strings.Replace(claim, "acme", "other", 1)) }, true},
		"pipe for a lease": {func() {
			require.NoError(t, os.MkdirAll(filepath.Dir(lease("x")), 0o700))
			require.NoError(t, syscall.Mkfifo(lease("000900.json"), 0o600))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w.journal = t.TempDir()
			require.NoError(t, os.CopyFS(w.journal, os.DirFS(whole)))
			row.place()
			issued, alive, value := w.issuer.issued, w.issuer.alive(), w.holds(entryPath)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			r, names := w.rotator(), []string{"acme"}
			for verb, call := range map[string]func() error{
				"rotate":   func() error { _, err := r.Rotate(ctx, names, Options{Grace: noGrace, New: true}); return err },
				"revoke":   func() error { _, err := r.Revoke(ctx, names, Options{Unproven: true}); return err },
				"rollback": func() error { _, err := r.Rollback(ctx, names, Options{}); return err },
				"adopt":    func() error { _, err := r.Adopt(ctx, names, Options{}); return err },
			} {
				err := call()
				var held *journal.HeldError
				if row.barred {
					require.ErrorAs(t, err, &held, verb)
					require.True(t, held.Free.Before(time.Now().Add(10*time.Minute)), "%s: barred until %s", verb, held.Free)
					continue
				}
				require.True(t, journal.Unreliable(err), "%s: %v", verb, err)
			}
			require.Equal(t, issued, w.issuer.issued, "nothing was issued")
			require.Equal(t, alive, w.issuer.alive(), "nothing was revoked")
			require.Equal(t, value, w.holds(entryPath))

			none := func(context.Context, string) (time.Time, error) { return w.now, nil }
			records := Records{Catalog: r.Catalog, Journal: r.Journal, Now: time.Now, Edited: none,
				Changed: func(context.Context, string, time.Time) (time.Time, error) { return w.now, nil }}
			st := records.Status(ctx)[0]
			_, err := records.History(ctx, names)
			if row.barred {
				require.NotNil(t, st.Held)
				require.NoError(t, err)
				held, err := r.Release(ctx, "acme")
				require.NoError(t, err)
				require.True(t, held)
				require.NoError(t, r.Journal.Holding(ctx, "acme"), "released by name")
				return
			}
			require.True(t, journal.Unreliable(err), "history tells")
			require.True(t, journal.Unreliable(st.Err), "status tells")
			_, damaged, err := r.Repair(ctx, "acme")
			require.NoError(t, err)
			require.True(t, damaged)
			_, err = records.History(ctx, names)
			require.NoError(t, err)
			require.NoError(t, ctx.Err())
		})
	}
}
