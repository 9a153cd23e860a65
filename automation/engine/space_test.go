package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
)

// A checkpoint that a full disk has cut short is told with the whole one beside
// it, and the command that is printed restores it.
func TestADamagedStateIsRestoredFromItsBackup(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, realCLI(t))
	s := l.declared(component)
	require.NoError(t, s.Init(ctx))
	l.up(s)
	file := filepath.Join(l.state, ".pulumi", "stacks", "example", "prod.json")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.FileExists(t, file+".bak", "the CLI keeps no backup")
	require.NoError(t, os.WriteFile(file, nil, 0o600))

	_, err = s.State(ctx)
	e := asError(t, err, engine.Failed)
	require.Contains(t, e.Error(), "prod.json.bak")
	command, _, _ := strings.Cut(e.Next, "   (")
	require.Equal(t, "cp '"+file+".bak' '"+file+"'", command)
	raw, err := os.ReadFile(file + ".bak")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	_, err = s.State(ctx)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(file, whole[:len(whole)/2], 0o600))
	require.NoError(t, os.WriteFile(file+".bak", nil, 0o600))
	_, err = s.State(ctx)
	e = asError(t, err, engine.Failed)
	require.NotContains(t, e.Error(), ".bak", "it is no better")
	require.Contains(t, e.Next, file)
}

func TestADiskThatIsNearlyFullIsToldBeforeAnUpdate(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, realCLI(t))
	s := l.declared(component)
	require.NoError(t, s.CheckSpace(ctx))
	l.engine.LeaveSpace(1 << 20)
	e := asError(t, s.CheckSpace(ctx), engine.Disk)
	require.Contains(t, e.Error(), "1 MiB left")
	l.engine.LeaveSpace(64 << 20)
	require.NoError(t, s.CheckSpace(ctx))
}
