package sandbox_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
)

// The exports of the process that serves are everybody's, and a second one neither
// serves nor changes them. Two openings of a world are as two processes are.
func TestAWorldIsServedOnce(t *testing.T) {
	first := open(t, folder(t))
	second := open(t, first.Dir())
	own, err := second.Exports(t.Context())
	require.NoError(t, err)
	mine, err := second.EnvText()
	require.NoError(t, err)
	require.Equal(t, mine, own, "nobody serves")

	ctx, end := context.WithCancel(t.Context())
	ready, ended := make(chan string), make(chan error)
	go func() { ended <- first.Serve(ctx, func(file string) { ready <- file }) }()
	file := <-ready
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotEqual(t, mine, string(want), "their ports differ")
	got, err := second.Exports(t.Context())
	require.NoError(t, err)
	require.Equal(t, string(want), got)
	require.ErrorIs(t, second.Serve(t.Context(), nil), sandbox.ErrServed)
	still, err := os.ReadFile(filepath.Join(first.Dir(), "env"))
	require.NoError(t, err)
	require.Equal(t, want, still)

	end()
	require.NoError(t, <-ended)
	ctx, end = context.WithCancel(t.Context())
	end()
	require.NoError(t, second.Serve(ctx, nil), "after it, another may")
}
