package journal

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// keyOf gives a fixed key, or none.
func keyOf(text string) Keys {
	return func(context.Context) (secrets.Value, error) { return secrets.NewValue([]byte(text)), nil }
}

// logOf is a folder with a log of three events.
func logOf(t *testing.T, keys Keys) string {
	dir := t.TempDir()
	addTo(t, dir, keys, Planned, Staging, Done)
	return dir
}

func addTo(t *testing.T, dir string, keys Keys, states ...State) {
	l, err := InDir(dir).SignedBy(keys).Open(t.Context(), "stripe")
	require.NoError(t, err)
	for _, s := range states {
		require.NoError(t, l.Append(t.Context(), Event{Rotation: "r", State: s, Step: "a", Evidence: "seen"}))
	}
}

// rewrite changes the text of an object and mends every digest after it, as
// somebody would who can write to the state and has no key.
func rewrite(t *testing.T, dir string, n int, old, new string) {
	folder := filepath.Join(dir, Root, "stripe")
	change(t, filepath.Join(folder, numbered(n)), old, new)
	for ; ; n++ {
		before, err := os.ReadFile(filepath.Join(folder, numbered(n)))
		require.NoError(t, err)
		next, err := os.ReadFile(filepath.Join(folder, numbered(n+1)))
		if err != nil {
			return
		}
		_, rest, ok := strings.Cut(string(next), `"prev": "`)
		require.True(t, ok)
		change(t, filepath.Join(folder, numbered(n+1)), rest[:64], digest(before))
	}
}

func change(t *testing.T, file, old, new string) {
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(data), old)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(data), old, new, 1)), 0o600))
}

// The log of a program that did not sign is read as it always was, goes on, and
// is signed from there.
func TestALogOfBeforeSignaturesIsReadAndGoesOnSigned(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/today")))
	j := InDir(dir).SignedBy(keyOf("k"))
	l, err := j.Open(t.Context(), "stripe")
	require.NoError(t, err)
	last := l.Last()
	require.Equal(t, Done, last.State)
	require.Equal(t, Unsigned, last.Trust)
	require.Equal(t, "SCWOLD00000000000000", last.OldID)
	require.Equal(t, secrets.Fingerprint("1a"), last.Promoted["secret-key"])
	require.Len(t, last.Answers, 2)
	require.Equal(t, "ann", last.Answers[1].Word)
	require.True(t, last.Stated)
	require.Equal(t, time.Date(2026, 9, 1, 8, 2, 0, 0, time.UTC), last.RevokedAt.Truncate(time.Minute))
	require.NoError(t, j.Holding(t.Context(), "stripe"), "its lease was released")
	accepted, err := j.Accepted(t.Context())
	require.NoError(t, err)
	require.Empty(t, accepted, "what was accepted was withdrawn")

	require.NoError(t, l.Append(t.Context(), Event{Rotation: "next", State: Planned}))
	events, err := l.Events(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Trust{Unsigned, Unsigned, Unsigned, Signed}, []Trust{events[0].Trust, events[1].Trust, events[2].Trust, events[3].Trust})
	require.NotEmpty(t, events[3].KeyID)
}

func TestASignedEventIsBelievedOnlyAsItWasWritten(t *testing.T) {
	mac := `"mac": "`
	for name, forge := range map[string]func(t *testing.T, dir string){
		"a field":               func(t *testing.T, dir string) { rewrite(t, dir, 3, `"seen"`, `"forged"`) },
		"a field in the middle": func(t *testing.T, dir string) { rewrite(t, dir, 2, `"seen"`, `"forged"`) },
		"a field given twice":   func(t *testing.T, dir string) { rewrite(t, dir, 3, `"evidence"`, `"promoted": {"a": "b"}, "evidence"`) },
		"a field in another case": func(t *testing.T, dir string) {
			rewrite(t, dir, 3, `"evidence"`, `"Revoked_At": "2026-01-01T00:00:00Z", "evidence"`)
		},
		"white space":                func(t *testing.T, dir string) { rewrite(t, dir, 3, `"step": "a"`, `"step":  "a"`) },
		"the signature":              func(t *testing.T, dir string) { rewrite(t, dir, 3, mac, mac+"0") },
		"the signature taken off":    func(t *testing.T, dir string) { unsign(t, dir, 3) },
		"one appended":               func(t *testing.T, dir string) { addTo(t, dir, nil, Done) },
		"an older one of the number": func(t *testing.T, dir string) { exchange(t, dir) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := logOf(t, keyOf("k"))
			if name == "one appended" {
				// A journal without keys refuses, so the forger writes the object.
				copyObject(t, dir, 3, 4)
				rewrite(t, dir, 4, `"number": 3`, `"number": 4`)
				unsign(t, dir, 4)
			} else {
				forge(t, dir)
			}
			j := InDir(dir).SignedBy(keyOf("k"))
			a, err := j.Audit(t.Context(), "stripe")
			require.NoError(t, err)
			require.NotEmpty(t, a.Damage)
			var damaged *DamagedError
			require.ErrorAs(t, a.Err(), &damaged)
			_, err = j.Open(t.Context(), "stripe")
			if name != "a field in the middle" {
				require.ErrorAs(t, err, &damaged, "the newest event is what a plan is made from")
			}
		})
	}
}

func unsign(t *testing.T, dir string, n int) {
	file := filepath.Join(dir, Root, "stripe", numbered(n))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	e, err := decode(data)
	require.NoError(t, err)
	e.KeyID, e.MAC = "", ""
	data, err = e.encode()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, data, 0o600))
}

func copyObject(t *testing.T, dir string, from, to int) {
	folder := filepath.Join(dir, Root, "stripe")
	data, err := os.ReadFile(filepath.Join(folder, numbered(from)))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, numbered(to)), data, 0o600))
}

// exchange puts the second event in the place of the third.
func exchange(t *testing.T, dir string) {
	copyObject(t, dir, 2, 3)
	rewrite(t, dir, 3, `"number": 2`, `"number": 3`)
}

func TestAnotherKeyIsToldFromDamage(t *testing.T) {
	dir := logOf(t, keyOf("k"))
	for name, keys := range map[string]Keys{"exchanged": keyOf("other"), "gone": keyOf("")} {
		_, err := InDir(dir).SignedBy(keys).Open(t.Context(), "stripe")
		var key *KeyError
		require.ErrorAs(t, err, &key, name)
		require.NotEmpty(t, key.Wanted)
		require.Equal(t, name == "gone", key.Has == "")
	}
	ids, err := InDir(dir).KeyIDs(t.Context())
	require.NoError(t, err)
	require.Len(t, ids["stripe"], 16)
}

func TestNothingIsWrittenToASignedLogWithoutTheKey(t *testing.T) {
	dir := logOf(t, keyOf("k"))
	l, err := InDir(dir).Open(t.Context(), "stripe")
	require.NoError(t, err, "it may be read")
	require.Error(t, l.Append(t.Context(), Event{Rotation: "r", State: Planned}))
	fresh, err := InDir(t.TempDir()).SignedBy(keyOf("")).Open(t.Context(), "stripe")
	require.NoError(t, err)
	var key *KeyError
	require.ErrorAs(t, fresh.Append(t.Context(), Event{Rotation: "r", State: Planned}), &key, "the key comes before the first event")
}

// The signature is cut off at the end of the object, so it must be its last field.
func TestTheSignatureIsTheLastField(t *testing.T) {
	for _, one := range []interface{ encode() ([]byte, error) }{Event{MAC: "x", KeyID: "y"}} {
		data, err := one.encode()
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(string(data), ",\n  \"mac\": \"x\"\n}\n"), string(data))
	}
}

func TestARepairAcceptsWhatStandsAndNothingElse(t *testing.T) {
	damages := map[string]func(t *testing.T, dir string){
		"forged": func(t *testing.T, dir string) { rewrite(t, dir, 2, `"seen"`, `"forged"`) },
		"truncated": func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, Root, "stripe", numbered(3)), 20))
		},
		"missing": func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, Root, "stripe", numbered(2))))
		},
		"stray": func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, Root, "stripe", "notes"), nil, 0o600))
		},
		"other key": func(t *testing.T, dir string) {},
		"pipe, link": func(t *testing.T, dir string) {
			require.NoError(t, os.Symlink("/dev/zero", filepath.Join(dir, Root, "stripe", numbered(4))))
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			dir := logOf(t, keyOf("k"))
			damage(t, dir)
			keys := keyOf("k")
			if name == "other key" {
				keys = keyOf("new")
			}
			j := InDir(dir).SignedBy(keys)
			a, err := j.Audit(t.Context(), "stripe")
			require.NoError(t, err)
			require.False(t, a.Whole())
			require.NotEmpty(t, a.Found())
			require.NoError(t, j.Repair(t.Context(), a, Event{Rotation: "repair", State: Adopted, Step: "accepted"}, nil))

			l, err := j.Open(t.Context(), "stripe")
			require.NoError(t, err)
			require.Equal(t, Adopted, l.Last().State)
			require.NotNil(t, l.Last().Repair)
			require.NoError(t, l.Append(t.Context(), Event{Rotation: "next", State: Planned}))
			events, err := l.Events(t.Context())
			require.NoError(t, err)
			require.Equal(t, Replaced, events[0].Trust)
			require.Equal(t, Signed, events[len(events)-1].Trust)
			again, err := j.Open(t.Context(), "stripe")
			require.NoError(t, err)
			require.Equal(t, "next", again.Last().Rotation)

			// What was accepted cannot be exchanged afterwards.
			require.NoError(t, os.WriteFile(filepath.Join(dir, Root, "stripe", numbered(1)), []byte("{}"), 0o600))
			_, err = l.Events(t.Context())
			var damaged *DamagedError
			require.ErrorAs(t, err, &damaged)
		})
	}
}

// A forged repair is worth nothing: only a signed one accepts.
func TestAnUnsignedRepairAcceptsNothing(t *testing.T) {
	dir := logOf(t, keyOf("k"))
	rewrite(t, dir, 2, `"seen"`, `"forged"`)
	a, err := InDir(dir).SignedBy(keyOf("k")).Audit(t.Context(), "stripe")
	require.NoError(t, err)
	require.NoError(t, InDir(dir).SignedBy(keyOf("evil")).Repair(t.Context(), a, Event{Rotation: "repair", State: Done}, nil))
	_, err = InDir(dir).SignedBy(keyOf("k")).Open(t.Context(), "stripe")
	require.Error(t, err)
	unsign(t, dir, 4)
	_, err = InDir(dir).SignedBy(keyOf("k")).Open(t.Context(), "stripe")
	var damaged *DamagedError
	require.ErrorAs(t, err, &damaged)
}
