package journal

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What stands in a log's place and is no file of ours is neither waited for nor
// written through, and bars no other secret.
func TestOnlyRegularFilesAreAJournal(t *testing.T) {
	pipe := func(t *testing.T, at string) { require.NoError(t, syscall.Mkfifo(at, 0o600)) }
	link := func(t *testing.T, at string) { require.NoError(t, os.Symlink("/dev/zero", at)) }
	folder := func(t *testing.T, at string) { require.NoError(t, os.Mkdir(at, 0o700)) }
	long := func(t *testing.T, at string) {
		require.NoError(t, os.WriteFile(at, nil, 0o600))
		require.NoError(t, os.Truncate(at, longestObject+1))
	}
	for kind, place := range map[string]func(*testing.T, string){"pipe": pipe, "link": link, "folder": folder, "long": long} {
		for _, name := range []string{numbered(4), "notes"} {
			t.Run(kind+" "+name, func(t *testing.T) {
				dir := logOf(t, keyOf("k"))
				place(t, filepath.Join(dir, Root, "stripe", name))
				j := InDir(dir).SignedBy(keyOf("k"))
				_, err := j.Open(t.Context(), "stripe")
				var damaged *DamagedError
				require.ErrorAs(t, err, &damaged)
				require.Equal(t, ".rotation/stripe/"+name, damaged.Object)
				other, err := j.Open(t.Context(), "clerk")
				require.NoError(t, err)
				require.NoError(t, other.Append(t.Context(), Event{Rotation: "r", State: Planned}))
			})
		}
	}
}

func TestALinkedFolderIsNotWrittenThrough(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, Root), 0o700))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, Root, "stripe")))
	_, err := InDir(dir).Open(t.Context(), "stripe")
	var damaged *DamagedError
	require.ErrorAs(t, err, &damaged)
	l := &Log{journal: InDir(dir), secret: "stripe"}
	require.Error(t, l.Append(t.Context(), Event{Rotation: "r", State: Planned}))
	left, err := os.ReadDir(elsewhere)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A lease lasts no longer after its writing than any lease, whatever it says, and
// one that cannot be read is waited for no longer either.
func TestALeaseEndsByTheClockOfTheStore(t *testing.T) {
	written := time.Now().Add(-time.Hour)
	for name, place := range map[string]func(t *testing.T, file string){
		"2099": func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file, []byte(`{"format":1,"number":1,"name":"clerk","holder":{"user":"ann","host":"elsewhere","pid":1},"since":"2099-01-01T00:00:00Z","until":"2099-01-01T00:05:00Z"}`), 0o600))
		},
		"truncated": func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file, []byte(`{"format":1,"num`), 0o600))
		},
		"of another name": func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file, []byte(`{"format":1,"number":1,"name":"stripe","holder":{"user":"ann","host":"elsewhere","pid":1},"until":"2099-01-01T00:05:00Z"}`), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, claimKey("clerk", 1))
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
			place(t, file)
			j := InDir(dir)
			var held *HeldError
			require.ErrorAs(t, j.Holding(t.Context(), "clerk"), &held)
			require.WithinDuration(t, time.Now().Add(leaseTime+leasePatience), held.Free, time.Minute)

			require.NoError(t, os.Chtimes(file, written, written))
			require.NoError(t, j.Holding(t.Context(), "clerk"))
			lease, err := j.Acquire(t.Context(), "clerk")
			require.NoError(t, err)
			require.NoError(t, lease.Release(t.Context()))
		})
	}
}

// A pipe in a lease's place is not waited for, and by name it is released at once.
func TestALeaseThatBarsIsReleasedByName(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, claimKey("clerk", 7))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, syscall.Mkfifo(file, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(file), "notes"), nil, 0o600))
	j := InDir(dir)
	var held *HeldError
	require.ErrorAs(t, j.Holding(t.Context(), "clerk"), &held)
	require.NoError(t, j.Free(t.Context(), "clerk"))
	require.NoError(t, j.Holding(t.Context(), "clerk"))
}

// An event of a computer whose clock is wrong says of nothing that it is in the
// future.
func TestDatesEndWhereTheStoreSaysThatTheyWereWritten(t *testing.T) {
	dir := t.TempDir()
	j := InDir(dir).SignedBy(keyOf("k"))
	j.now = func() time.Time { return time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC) }
	l, err := j.Open(t.Context(), "stripe")
	require.NoError(t, err)
	at := j.now()
	require.NoError(t, l.Append(t.Context(), Event{Rotation: "r", State: Grace, PromotedAt: at, RevokedAt: at, GraceUntil: at.Add(time.Hour)}))
	l, err = InDir(dir).SignedBy(keyOf("k")).Open(t.Context(), "stripe")
	require.NoError(t, err)
	e := l.Last()
	require.True(t, e.Misdated())
	require.WithinDuration(t, time.Now(), e.PromotedAt, time.Minute)
	require.WithinDuration(t, time.Now(), e.RevokedAt, time.Minute)
	require.WithinDuration(t, time.Now().Add(time.Hour), e.GraceUntil, time.Minute)
}

// Who can write to the state alone takes no finding out of the answer.
func TestAForgedAcceptanceIsNotObeyed(t *testing.T) {
	until := time.Now().Add(time.Hour)
	one := Acceptance{Code: "overdue", Subject: "stripe", Until: until, Reason: "r"}
	for name, forge := range map[string]func(t *testing.T, dir string) bool{
		"changed": func(t *testing.T, dir string) bool {
			change(t, filepath.Join(dir, acceptanceKey(1)), `"stripe"`, `"**"`)
			return true
		},
		"the first one, unsigned, long after events were signed": func(t *testing.T, dir string) bool {
			require.NoError(t, os.Remove(filepath.Join(dir, acceptanceKey(1))))
			addTo(t, dir, keyOf("k"), Done)
			before := time.Now().Add(-time.Hour)
			require.NoError(t, os.Chtimes(filepath.Join(dir, eventKey("stripe", 1)), before, before))
			require.NoError(t, InDir(dir).Accept(t.Context(), Acceptance{Code: "old-still-alive", Subject: "stripe", Until: until, Reason: "r"}))
			return true
		},
		"unsigned beside signed": func(t *testing.T, dir string) bool {
			require.NoError(t, InDir(dir).Accept(t.Context(), Acceptance{Code: "old-still-alive", Subject: "stripe", Until: until, Reason: "r"}))
			return true
		},
		"of another key": func(t *testing.T, dir string) bool {
			require.NoError(t, InDir(dir).SignedBy(keyOf("evil")).Accept(t.Context(), Acceptance{Code: "old-still-alive", Subject: "stripe", Until: until, Reason: "r"}))
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := InDir(dir).SignedBy(keyOf("k"))
			require.NoError(t, j.Accept(t.Context(), one))
			refused := forge(t, dir)
			accepted, err := j.Accepted(t.Context())
			require.Equal(t, refused, err != nil)
			foreign, err := j.ForeignAcceptances(t.Context())
			require.Equal(t, refused, err != nil)
			require.Equal(t, !refused, len(foreign) > 0, "one that does not count is told")
			for _, a := range accepted {
				require.Equal(t, "overdue", a.Code)
			}
		})
	}
}
