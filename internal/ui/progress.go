// Package ui prints for people. Its rules:
//
//   - stdout carries the result and nothing else; everything here goes to stderr;
//   - one line per stack or step. On a terminal it moves; otherwise it is printed
//     when the step ends, and before that only if the step takes longer than a
//     second, and then every ten seconds;
//   - colour carries no meaning of its own, and none is used with --no-color,
//     NO_COLOR, TERM=dumb or without a terminal;
//   - a prompt appears only on a terminal, and says what happens on each answer.
package ui

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/printable"
)

// Style turns text into its printed form; the zero Style prints plainly.
type Style struct{ Color bool }

// The marks and colours of the output, all within the 16 colours that every
// terminal theme keeps legible.
func (s Style) paint(code, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Good, Bad, Warn, Dim and Bold paint text where colour is on.
func (s Style) Good(text string) string { return s.paint("32", text) }

// Bad paints a failure.
func (s Style) Bad(text string) string { return s.paint("31", text) }

// Warn paints what needs attention.
func (s Style) Warn(text string) string { return s.paint("33", text) }

// Dim paints what may be passed over.
func (s Style) Dim(text string) string { return s.paint("2", text) }

// Bold paints what matters most.
func (s Style) Bold(text string) string { return s.paint("1", text) }

// Progress is the running part of the output: lines that are being worked on.
// It moves the cursor itself, and makes all text of its lines printable.
type Progress struct {
	// Columns gives the terminal's width, 0 where it is not known; it may be nil.
	Columns func() int

	style    Style
	animated bool
	now      func() time.Time

	mu    sync.Mutex
	out   io.Writer
	lines []*Line
	drawn int
	frame int
	// resting counts those who have the terminal for now; kept is what would have
	// been printed meanwhile.
	resting int
	kept    []string
	stop    chan struct{}
	once    sync.Once
	wg      sync.WaitGroup
}

// refresh is how often moving lines are drawn; a line that does not move is
// printed first after patience, then each time silence has passed.
const (
	refresh  = 120 * time.Millisecond
	patience = time.Second
	silence  = 10 * time.Second
)

// NewProgress writes to out; animated only where out is a terminal.
func NewProgress(out io.Writer, style Style, animated bool) *Progress {
	p := &Progress{style: style, animated: animated, out: out, now: time.Now, stop: make(chan struct{})}
	p.wg.Go(p.tick)
	return p
}

// Close ends the movement; lines still running stay as they stand. It can be
// repeated.
func (p *Progress) Close() {
	p.once.Do(func() { close(p.stop) })
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	for _, l := range p.lines {
		l.ended = true
		p.print(l, p.style.Dim("·"))
	}
	p.lines = nil
}

// Line is one thing that is being worked on.
type Line struct {
	p       *Progress
	name    string
	text    string
	started time.Time
	// due is when a line that does not move is printed next.
	due   time.Time
	ended bool
}

// Start begins a line.
func (p *Progress) Start(name, text string) *Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &Line{p: p, name: printable.Line(name), text: printable.Line(text), started: p.now(), due: p.now().Add(patience)}
	p.erase()
	p.lines = append(p.lines, l)
	p.draw()
	return l
}

// Say changes what the line says it does.
func (l *Line) Say(text string) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if !l.ended {
		l.text = printable.Line(text)
	}
}

// Done ends the line well.
func (l *Line) Done(text string) { l.end(l.p.style.Good("✓"), text) }

// Fail ends the line badly; the error itself is printed by the caller.
func (l *Line) Fail(text string) { l.end(l.p.style.Bad("✗"), text) }

// Warn ends the line with something to look at.
func (l *Line) Warn(text string) { l.end(l.p.style.Warn("!"), text) }

func (l *Line) end(mark, text string) {
	p := l.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.ended {
		return
	}
	l.ended, l.text = true, printable.Line(text)
	p.erase()
	for i, other := range p.lines {
		if other == l {
			p.lines = append(p.lines[:i], p.lines[i+1:]...)
			break
		}
	}
	p.print(l, mark)
	p.draw()
}

// Note prints one line of text that stays; it may be painted.
func (p *Progress) Note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.put(printable.Text(text) + "\n")
	p.draw()
}

// put prints a line that stays, as soon as the terminal is free.
func (p *Progress) put(line string) {
	if p.resting > 0 {
		p.kept = append(p.kept, line)
		return
	}
	_, _ = io.WriteString(p.out, line)
}

// Pause takes the moving lines away while f uses the terminal, for a prompt.
func (p *Progress) Pause(f func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	err := f()
	p.draw()
	return err
}

// Rest keeps everything off a terminal until the function that it returns is
// called: another program, such as gpg's pinentry, may have it. What ends meanwhile is
// printed afterwards. Where nothing moves there is no terminal, and nothing rests.
func (p *Progress) Rest() (back func()) {
	if !p.animated {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.resting++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.resting--; p.resting > 0 {
			return
		}
		for _, line := range p.kept {
			_, _ = io.WriteString(p.out, line)
		}
		p.kept = nil
		p.draw()
	})
}

func (p *Progress) tick() {
	ticker := time.NewTicker(refresh)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			p.step()
			p.mu.Unlock()
		}
	}
}

func (p *Progress) step() {
	if p.animated {
		p.frame++
		p.erase()
		p.draw()
		return
	}
	for _, l := range p.lines {
		if !p.now().Before(l.due) {
			l.due = p.now().Add(silence)
			_, _ = fmt.Fprintf(p.out, "%s %s  %s (%s)\n", p.style.Dim("·"), l.name, l.text, seconds(p.now().Sub(l.started)))
		}
	}
}

func (p *Progress) print(l *Line, mark string) {
	p.put(fmt.Sprintf("%s %s  %s\n", mark, p.style.Bold(l.name), l.text))
}

var frames = [...]string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

func (p *Progress) draw() {
	if !p.animated || p.resting > 0 {
		return
	}
	for _, l := range p.lines {
		text := fmt.Sprintf("%s  %s (%s)", l.name, l.text, seconds(p.now().Sub(l.started)))
		// A line longer than the terminal would wrap and could not be erased.
		if r, room := []rune(text), p.room(); len(r) > room {
			text = string(r[:room-1]) + "…"
		}
		_, _ = fmt.Fprintf(p.out, "%s %s\n", frames[p.frame%len(frames)], text)
	}
	p.drawn = len(p.lines)
}

// room is how many characters of a moving line fit behind its mark.
func (p *Progress) room() int {
	columns := 80
	if p.Columns != nil && p.Columns() > 0 {
		columns = p.Columns()
	}
	return max(columns-4, 10)
}

func (p *Progress) erase() {
	if p.drawn > 0 {
		_, _ = io.WriteString(p.out, strings.Repeat("\x1b[1A\x1b[2K", p.drawn))
		p.drawn = 0
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }
