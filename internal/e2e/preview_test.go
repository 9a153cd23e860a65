package e2e

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

func TestPreviewChangesNotOneByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// What only a copy has yet to do: find its ports, and have git look at the
	// new files' times.
	w.must("sandbox", "requests")
	for _, dir := range []string{"store", "projects"} {
		w.exec("", "git", "-C", filepath.Join(w.dir, dir), "status", "--short")
	}
	unchanged := func(args ...string) {
		t.Helper()
		before, seen := w.everyByte(), len(w.requests())
		w.must(args...)
		require.Empty(t, differing(before, w.everyByte()), "%v", args)
		for _, r := range w.requests()[seen:] {
			// Sightengine's door is a POST; it stores nothing.
			require.True(t, r.Method == "GET" || r.Service == "sightengine", "%s %s", r.Method, r.Path)
		}
	}
	unchanged("rotate", "--secret", "stripe", "--secret", "clerk", "--secret", "sightengine", "--preview", "--yes")
	unchanged("preview")
	unchanged("verify", "--secret", "stripe")
	w.must("rotate", "--secret", "clerk", "--yes")
	unchanged("rotate", "--all", "--preview", "--yes", "--json")
}

// everyByte is every file of the world by name, but for the log of requests,
// sockets, and what `git fetch` keeps for itself.
func (w *sandboxed) everyByte() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	require.NoError(w.t, filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(w.dir, path)
		switch {
		case name == world.RequestsFile, name == "store/.git/FETCH_HEAD", d.Type()&fs.ModeSocket != 0:
			return nil
		case d.IsDir():
			out[name] = "a folder"
			return nil
		case name == "world.json":
			out[name] = w.issuers()
			return nil
		}
		data, err := os.ReadFile(path)
		out[name] = string(data)
		return err
	}))
	return out
}

// issuers is the issuers' own record, but for when a credential was last used:
// being asked is not a change.
func (w *sandboxed) issuers() string {
	w.t.Helper()
	opened, err := world.Open(w.dir)
	require.NoError(w.t, err)
	state, err := opened.Snapshot()
	require.NoError(w.t, err)
	for _, c := range state.Credentials {
		c.LastUsed = nil
	}
	data, err := json.Marshal(state)
	require.NoError(w.t, err)
	return string(data)
}

// differing are the names that are not the same in both.
func differing(a, b map[string]string) []string {
	var out []string
	for name, data := range a {
		if other, ok := b[name]; !ok || other != data {
			out = append(out, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
