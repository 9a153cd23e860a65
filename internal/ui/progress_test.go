package ui

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// still makes a Progress whose clock stands until it is moved and which draws
// only when step is called.
func still(animated bool) (*Progress, *bytes.Buffer, func(time.Duration)) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := &Progress{animated: animated, out: &out, now: func() time.Time { return now }, stop: make(chan struct{})}
	return p, &out, func(d time.Duration) {
		p.mu.Lock()
		defer p.mu.Unlock()
		now = now.Add(d)
		p.step()
	}
}

func TestWithoutATerminalAShortStepIsOneLine(t *testing.T) {
	p, out, after := still(false)
	l := p.Start("infra", "previewing")
	after(900 * time.Millisecond)
	l.Say("previewing: update key")
	require.Empty(t, out.String())
	l.Done("1 to update")
	require.Equal(t, "✓ infra  1 to update\n", out.String())
}

func TestWithoutATerminalALongStepIsSeen(t *testing.T) {
	p, out, after := still(false)
	l := p.Start("infra", "previewing")
	after(time.Second)
	l.Say("previewing: update key")
	for range 11 {
		after(time.Second)
	}
	l.Fail("preview failed")
	require.Equal(t, "· infra  previewing (1 s)\n· infra  previewing: update key (11 s)\n✗ infra  preview failed\n", out.String())
}

// Another program has the terminal: nothing is drawn over it, and nothing is lost.
func TestNothingIsPrintedWhileAnotherProgramHasTheTerminal(t *testing.T) {
	p, out, after := still(true)
	a, b := p.Start("a", "works"), p.Start("b", "works")
	back, second := p.Rest(), p.Rest()
	require.Zero(t, p.drawn, "the moving lines are taken away first")
	out.Reset()
	after(time.Second)
	a.Done("good")
	p.Note("a note")
	p.Start("c", "works").Done("done")
	after(time.Second)
	back()
	back()
	after(time.Second)
	require.Empty(t, out.String(), "the second one still has it")
	second()
	require.Contains(t, out.String(), "✓ a  good\na note\n✓ c  done\n")
	b.Done("better")
	require.Contains(t, out.String(), "✓ b  better\n")

	p, out, _ = still(false)
	l := p.Start("a", "works")
	p.Rest()
	l.Done("good")
	require.Equal(t, "✓ a  good\n", out.String(), "there is no terminal")
}

func TestALineEndsOnce(t *testing.T) {
	p, out, _ := still(false)
	l := p.Start("a", "x")
	l.Done("good")
	l.Fail("bad")
	l.Say("more")
	require.Equal(t, "✓ a  good\n", out.String())
}

func TestOnATerminalLinesAreDrawnOver(t *testing.T) {
	p, out, after := still(true)
	a, b := p.Start("a", "works"), p.Start("b", "works")
	out.Reset()
	after(2 * time.Second)
	require.Equal(t, "\x1b[1A\x1b[2K\x1b[1A\x1b[2K⠙ a  works (2 s)\n⠙ b  works (2 s)\n", out.String())
	out.Reset()
	a.Done("ready")
	require.Equal(t, "\x1b[1A\x1b[2K\x1b[1A\x1b[2K✓ a  ready\n⠙ b  works (2 s)\n", out.String())
	out.Reset()
	b.Warn("look")
	require.Equal(t, "\x1b[1A\x1b[2K! b  look\n", out.String())
}

func TestALineThatWouldWrapIsCut(t *testing.T) {
	p, out, _ := still(true)
	p.Start("stack", string(bytes.Repeat([]byte("x"), 200)))
	require.LessOrEqual(t, len([]rune(out.String())), 80)
}

func TestPauseTakesTheLinesAway(t *testing.T) {
	p, out, _ := still(true)
	p.Start("a", "works")
	out.Reset()
	require.NoError(t, p.Pause(func() error { out.WriteString("question"); return nil }))
	require.Equal(t, "\x1b[1A\x1b[2Kquestion⠋ a  works (0 s)\n", out.String())
}

func TestCloseShowsWhatWasLeftAndCanBeRepeated(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, Style{}, false)
	l := p.Start("a", "works")
	p.Close()
	p.Close()
	l.Done("too late")
	require.Equal(t, "· a  works\n", out.String())
}

func TestParallelLinesKeepApart(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, Style{}, true)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			l := p.Start("s", "works")
			l.Say("still")
			l.Done("ready")
		})
	}
	wg.Wait()
	p.Close()
	require.Equal(t, 8, bytes.Count(out.Bytes(), []byte("✓ s  ready\n")))
}

func TestNoColourWithoutColour(t *testing.T) {
	require.Equal(t, "x", Style{}.Bad("x"))
	require.Equal(t, "\x1b[31mx\x1b[0m", Style{Color: true}.Bad("x"))
}
