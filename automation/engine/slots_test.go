package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
)

func TestSlotsFollowProcessorsAndMemory(t *testing.T) {
	const gib = 1 << 30
	require.Equal(t, 4, engine.Slots(2, 0), "memory is not known")
	require.Equal(t, 4, engine.Slots(2, 64*gib))
	require.Equal(t, 32, engine.Slots(16, 64*gib))
	require.Equal(t, 2, engine.Slots(16, 1*gib))
	require.Equal(t, 1, engine.Slots(2, 1))
}

// However many stacks are worked on, so many CLIs run at once and no more; one
// that waits is not started after an interrupt.
func TestCLIsAreBoundedWhereTheyStart(t *testing.T) {
	c, dir := fakeCLI(t, `echo begins >> log; while [ ! -e go ]; do sleep 0.02; done; echo ends >> log; exit 1`)
	l := newLab(t, c)
	l.engine.LimitSlots(2)
	s := l.declared(component)
	log := func() []string {
		raw, _ := os.ReadFile(filepath.Join(dir, "log"))
		return strings.Fields(string(raw))
	}
	var wg sync.WaitGroup
	const all = 8
	ctx, cancel := context.WithCancel(t.Context())
	for range all {
		wg.Go(func() { _, _ = s.Preview(t.Context(), engine.PreviewOptions{}) })
	}
	require.Eventually(t, func() bool { return len(log()) == 2 }, 20*time.Second, 5*time.Millisecond)
	cancel()
	_, err := s.Up(ctx, engine.UpOptions{})
	asError(t, err, engine.Canceled)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o600))
	wg.Wait()
	running, begun := 0, 0
	for _, line := range log() {
		if line == "ends" {
			running--
			continue
		}
		begun, running = begun+1, running+1
		require.LessOrEqual(t, running, 2)
	}
	require.Equal(t, all, begun)
}
