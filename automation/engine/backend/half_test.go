package backend

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/fileblob"
)

// Another process is in the middle of its write: the object's attributes are an
// empty file until it is done. That is no failure to read the state.
func TestObjectBeingWrittenIsReadOnceItIsWhole(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, stackDir, "shop", "prod.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(state), 0o700))
	require.NoError(t, os.WriteFile(state, []byte(checkpoint), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, metaKey), []byte("version: 1\n"), 0o600))
	require.NoError(t, os.WriteFile(state+".attrs", nil, 0o600))
	b, err := fileblob.OpenBucket(dir, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()

	written := make(chan error, 1)
	time.AfterFunc(5*writeEvery, func() { written <- os.WriteFile(state+".attrs", []byte(`{}`), 0o600) })
	st, err := Read(t.Context(), b, "shop", "prod")
	require.NoError(t, err)
	require.NoError(t, <-written)
	require.True(t, st.Exists)
	require.NotEmpty(t, st.Resources)
}

// A CLI that was killed in the middle of its write leaves the attributes empty
// for ever: the next to open the state takes them away, and only those.
func TestAttributesOfADeadWriterAreMended(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, stackDir, "shop", "prod.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(state), 0o700))
	require.NoError(t, os.WriteFile(state, []byte(checkpoint), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, metaKey), []byte("version: 1\n"), 0o600))
	require.NoError(t, os.WriteFile(state+".attrs", nil, 0o600))
	fresh, whole := state+".bak.attrs", filepath.Join(dir, metaKey+".attrs")
	require.NoError(t, os.WriteFile(fresh, nil, 0o600))
	require.NoError(t, os.WriteFile(whole, []byte("{}"), 0o600))
	old := time.Now().Add(-time.Minute)
	require.NoError(t, os.Chtimes(state+".attrs", old, old))
	require.NoError(t, os.Chtimes(whole, old, old))

	b, err := Open(t.Context(), "file://"+dir, nil, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	st, err := Read(t.Context(), b, "shop", "prod")
	require.NoError(t, err)
	require.True(t, st.Exists)
	require.FileExists(t, fresh, "somebody may be writing it")
	require.FileExists(t, whole)
}
