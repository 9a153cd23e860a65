package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// goldenKey signed testdata/signed.
const goldenKey = "the fingerprint key of the golden journals"

// golden is a state as a release of this program left it: testdata/unsigned by the
// last one that did not sign, testdata/signed by the first that does. Both rotated
// scaleway, hold clerk in its grace period, and were killed while sightengine was
// staged; three acceptances stand beside them, of which one is withdrawn.
func golden(t *testing.T, name string) (*Journal, string) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))))
	// By the clock of the store they are no younger than what they say.
	stored := time.Date(2026, 12, 1, 5, 40, 0, 0, time.UTC)
	require.NoError(t, filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(file, stored, stored))
	}))
	j := InDir(dir).SignedBy(keyOf(goldenKey))
	j.now = func() time.Time { return stored }
	return j, dir
}

// What earlier releases wrote is read, told apart by its signature, and gone on with.
func TestJournalsOfEarlierReleasesAreRead(t *testing.T) {
	for name, want := range map[string]Trust{"unsigned": Unsigned, "signed": Signed} {
		t.Run(name, func(t *testing.T) {
			j, _ := golden(t, name)
			for secret, state := range map[string]State{"scaleway": Done, "clerk": Grace, "sightengine": Staging} {
				a, err := j.Audit(t.Context(), secret)
				require.NoError(t, err)
				require.NoError(t, a.Err(), "none of it is damage")
				require.NotEmpty(t, a.Events)
				for _, e := range a.Events {
					require.Equal(t, want, e.Trust)
					require.Equal(t, want == Signed, e.KeyID != "")
					require.False(t, e.Misdated())
				}
				l, err := j.Open(t.Context(), secret)
				require.NoError(t, err)
				last := l.Last()
				require.Equal(t, state, last.State)
				require.Equal(t, "ann", last.Holder.User)
				switch secret {
				case "scaleway":
					require.NotEmpty(t, last.RevokedAt)
					require.Equal(t, last.Promoted["api-secret"], last.Entries["api-secret"].To)
					require.Equal(t, want == Unsigned, last.OldID == "SCWSN28D8E876MAXFAFE", "an access key was in clear before")
				case "clerk":
					require.Contains(t, last.Hold.By, "ann on laptop")
					require.Equal(t, 24*time.Hour, last.GraceUntil.Sub(last.PromotedAt))
				}

				require.NoError(t, l.Append(t.Context(), Event{Rotation: "next", State: Planned}))
				events, err := l.Events(t.Context())
				require.NoError(t, err)
				require.Equal(t, Signed, events[len(events)-1].Trust, "from here on it is signed")
			}
		})
	}
}

func TestLeasesAndAcceptancesOfEarlierReleasesAreRead(t *testing.T) {
	for _, name := range []string{"unsigned", "signed"} {
		t.Run(name, func(t *testing.T) {
			j, _ := golden(t, name)
			until := time.Date(2028, 1, 2, 0, 0, 0, 0, time.UTC)
			all, err := j.Accepted(t.Context())
			require.NoError(t, err)
			require.Len(t, all, 1, "the other is withdrawn")
			require.True(t, all[0].Covers("unknown-entry", "verifieddit/spare", until.Add(-time.Hour)))
			require.Equal(t, []any{until, "first"}, []any{all[0].Until, all[0].Reason})
			require.NoError(t, j.Accept(t.Context(), Acceptance{Code: "overdue", Subject: "stripe", Until: until, Reason: "next"}))
			all, err = j.Accepted(t.Context())
			require.NoError(t, err)
			require.Len(t, all, 2)
			require.NotEmpty(t, all[1].MAC)

			require.NoError(t, j.Holding(t.Context(), "clerk"), "it was released")
			at := time.Date(2026, 12, 1, 5, 33, 0, 0, time.UTC)
			j.now = func() time.Time { return at }
			var held *HeldError
			require.ErrorAs(t, j.Holding(t.Context(), "sightengine"), &held, "its holder is on another host")
			require.Equal(t, []string{"ann", "laptop", ""}, []string{held.Holder.User, held.Holder.Host, held.Unreadable})
			at = held.Free.Add(time.Second)
			lease, err := j.Acquire(t.Context(), "sightengine")
			require.NoError(t, err)
			require.NoError(t, lease.Release(t.Context()))
		})
	}
}

// A golden journal is believed for its signature and not for its name.
func TestAGoldenJournalThatWasChangedIsDamaged(t *testing.T) {
	j, dir := golden(t, "signed")
	change(t, filepath.Join(dir, eventKey("clerk", 9)), `"hold"`, `"hold" `)
	_, err := j.Open(t.Context(), "clerk")
	var damaged *DamagedError
	require.ErrorAs(t, err, &damaged)
	_, err = j.SignedBy(keyOf("another")).Open(t.Context(), "scaleway")
	var key *KeyError
	require.ErrorAs(t, err, &key)
}
