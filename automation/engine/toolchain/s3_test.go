package toolchain

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEmbeddedModulesOfTheS3ServerAreThoseOfTools(t *testing.T) {
	for name, embedded := range map[string][]byte{"go.mod": s3Mod, "go.sum": s3Sum} {
		want, err := os.ReadFile(filepath.Join("..", "..", "..", "tools", "s3", name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(embedded), "run: cp tools/s3/%s automation/engine/toolchain/modules/s3.%s.txt", name, name)
	}
	version, err := pinned(s3Mod, s3Module)
	require.NoError(t, err)
	require.Equal(t, "v1.8.0", version)
}

func TestS3ServerThatIsThereIsNotBuiltAgain(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "versitygw-1.8.0", s3Name)
	require.NoError(t, os.Mkdir(filepath.Dir(program), 0o755))
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755))
	t.Setenv("PATH", "")
	got, err := Setup{Dir: dir}.S3Server(context.Background())
	require.NoError(t, err)
	require.Equal(t, program, got)
}

// What cannot be built leaves nothing, above all not the CLI's folder damaged.
func TestS3ServerThatCannotBeBuilt(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(versionDir(dir), "bin"), 0o755))
	t.Setenv("PATH", "")
	_, err := Setup{Dir: dir}.S3Server(context.Background())
	require.ErrorContains(t, err, "Go is not installed here")
	require.ErrorContains(t, err, "sandbox reset --backend file")
	require.DirExists(t, filepath.Join(versionDir(dir), "bin"))
	left, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
