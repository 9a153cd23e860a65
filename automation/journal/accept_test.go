package journal

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func accepted(t *testing.T, j *Journal) []Acceptance {
	t.Helper()
	all, err := j.Accepted(t.Context())
	require.NoError(t, err)
	return all
}

func TestTheNewestAcceptanceWins(t *testing.T) {
	stores(t, func(t *testing.T, j *Journal) {
		now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		j.now = func() time.Time { return now }
		later := now.AddDate(0, 1, 0)
		require.Empty(t, accepted(t, j))
		for _, a := range []Acceptance{
			{Code: "overdue", Subject: "stripe", Until: later, Reason: "first", By: "me"},
			{Code: "overdue", Subject: "clerk", Until: later, Reason: "other subject"},
			{Code: "behind", Subject: "stripe", Until: later, Reason: "other code"},
			{Code: "overdue", Subject: "stripe", Until: later.AddDate(0, 1, 0), Reason: "longer", By: "me"},
			{Code: "overdue", Subject: "clerk", Off: true},
		} {
			require.NoError(t, j.Accept(t.Context(), a))
		}
		all := accepted(t, j)
		require.Len(t, all, 2)
		require.Equal(t, "other code", all[0].Reason)
		require.Equal(t, Self().String(), all[0].By)
		require.Equal(t, Acceptance{Format: Format, Number: 4, Code: "overdue", Subject: "stripe", Until: later.AddDate(0, 1, 0), Reason: "longer", By: "me", At: now}, all[1])

		// Neither is in the way of the logs, nor they in its.
		l, err := j.Open(t.Context(), "stripe")
		require.NoError(t, err)
		require.NoError(t, l.Append(t.Context(), Event{Rotation: "r1", State: Done}))
		_, err = j.Acquire(t.Context(), "stripe", "accepted")
		require.NoError(t, err)
		events, err := l.Events(t.Context())
		require.NoError(t, err)
		require.Len(t, events, 1)
		require.Len(t, accepted(t, j), 2)
	})
}

func TestAnAcceptanceThatCannotTakeEffectIsRefused(t *testing.T) {
	j := InDir(t.TempDir())
	later := time.Now().Add(time.Hour)
	for name, a := range map[string]Acceptance{
		"no code":     {Subject: "x", Until: later, Reason: "r"},
		"no subject":  {Code: "x", Until: later, Reason: "r"},
		"no reason":   {Code: "x", Subject: "x", Until: later, Reason: " "},
		"over":        {Code: "x", Subject: "x", Until: time.Now(), Reason: "r"},
		"no time":     {Code: "x", Subject: "x", Reason: "r"},
		"bad pattern": {Code: "x", Subject: "x/[", Until: later, Reason: "r"},
	} {
		require.Error(t, j.Accept(t.Context(), a), name)
	}
	require.Empty(t, accepted(t, j))
}

func TestAcceptancesCover(t *testing.T) {
	now := time.Now()
	a := Acceptance{Code: "overdue", Until: now.Add(time.Hour)}
	covers := func(pattern, subject string) bool {
		a.Subject = pattern
		return a.Covers("overdue", subject, now)
	}
	for pattern, subjects := range map[string]map[string]bool{
		"stripe":       {"stripe": true, "stripe/x": false, "clerk": false},
		"worker/*":     {"worker/w": true, "worker/w/NAME": false, "worker": false},
		"worker/**":    {"worker/w": true, "worker/w/NAME": true, "worker": false, "workers/w": false},
		"worker/*/KEY": {"worker/w/KEY": true, "worker/w/x/KEY": false},
		"*/w/**":       {"worker/w/NAME": true, "worker/v/NAME": false},
		"**":           {"worker": true, "worker/w": false},
		"file/a[1]/**": {"file/a1/NAME": true, "file/a[1]/**": true},
	} {
		for subject, want := range subjects {
			require.Equal(t, want, covers(pattern, subject), "%s for %s", pattern, subject)
		}
	}
	a.Subject = "stripe"
	require.False(t, a.Covers("behind", "stripe", now))
	require.False(t, a.Covers("overdue", "stripe", a.Until))
	a.Off = true
	require.False(t, a.Covers("overdue", "stripe", now))
}

func TestDamagedAcceptancesAreNotRead(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"truncated":     func(t *testing.T, dir string) { require.NoError(t, os.Truncate(filepath.Join(dir, "000002.json"), 40)) },
		"first absent":  func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "000001.json"))) },
		"unknown field": func(t *testing.T, dir string) { edit(t, dir, `"code"`, `"new": 1, "code"`) },
		"newer format":  func(t *testing.T, dir string) { edit(t, dir, `"format": 1`, `"format": 2`) },
		"other number":  func(t *testing.T, dir string) { edit(t, dir, `"number": 2`, `"number": 3`) },
		"foreign file": func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.json"), nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := InDir(dir)
			for _, subject := range []string{"a", "b"} {
				require.NoError(t, j.Accept(t.Context(), Acceptance{Code: "overdue", Subject: subject, Until: time.Now().Add(time.Hour), Reason: "r"}))
			}
			damage(t, filepath.Join(dir, filepath.FromSlash(acceptances)))
			_, err := j.Accepted(t.Context())
			var damaged *DamagedError
			require.ErrorAs(t, err, &damaged)
		})
	}
}

// Of writers at the same time none is lost.
func TestAcceptingSideBySide(t *testing.T) {
	stores(t, func(t *testing.T, j *Journal) {
		subjects := []string{"a", "b", "c", "d", "e", "f"}
		errs := make([]error, len(subjects))
		var wg sync.WaitGroup
		for i, subject := range subjects {
			wg.Go(func() {
				errs[i] = j.Accept(context.Background(), Acceptance{Code: "overdue", Subject: subject, Until: time.Now().Add(time.Hour), Reason: "r"})
			})
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		all := accepted(t, j)
		require.Len(t, all, len(subjects))
		var got []string
		for _, a := range all {
			got = append(got, a.Subject)
		}
		require.ElementsMatch(t, subjects, got)
	})
}
