package engine

import (
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// EventKind says what an Event is about.
type EventKind string

// The kinds of event.
const (
	EventStarted     EventKind = "started"     // the engine runs
	EventResource    EventKind = "resource"    // a step on a resource begins
	EventDone        EventKind = "done"        // it ended well
	EventFailed      EventKind = "failed"      // it failed
	EventMessage     EventKind = "message"     // a warning or an error
	EventInterrupted EventKind = "interrupted" // an interrupt was passed on; it may take minutes
)

// Event is one step of a preview or an update, for progress. It holds no
// value of a secret.
type Event struct {
	Stack   string
	Kind    EventKind
	URN     string
	Type    string
	Name    string
	Op      string
	Elapsed time.Duration
	Text    string
}

// settle bounds the wait for the last events after the CLI has ended.
const settle = 2 * time.Second

// listener takes an operation's events from the SDK. Its channel is always
// being drained, or the SDK would block.
type listener struct {
	stack  *Stack
	tell   func(Event)
	start  time.Time
	mu     sync.Mutex // one call of tell at a time
	ch     chan events.EngineEvent
	closed chan struct{} // the CLI has sent all
	stop   chan struct{} // nobody will send any more
	done   chan struct{} // the goroutine has ended; the fields below may be read

	changes changes
	begun   int // steps that change something
	summary *apitype.SummaryEvent
	broken  bool
}

func (s *Stack) listen(tell func(Event)) *listener {
	l := &listener{stack: s, tell: tell, start: time.Now(), ch: make(chan events.EngineEvent),
		closed: make(chan struct{}), stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

func (l *listener) run() {
	defer close(l.done)
	for {
		select {
		case e, ok := <-l.ch:
			if !ok {
				close(l.closed)
				return
			}
			l.take(e)
		case <-l.stop:
			return
		}
	}
}

// finished waits for the last event and tells whether it came.
func (l *listener) finished() bool {
	select {
	case <-l.closed:
		return true
	case <-time.After(settle):
		return false
	}
}

// end is called when the SDK has returned and nobody sends any more.
func (l *listener) end() {
	close(l.stop)
	<-l.done
}

func (l *listener) take(e events.EngineEvent) {
	switch {
	case e.Error != nil:
		l.broken = true
	case e.PreludeEvent != nil:
		l.send(Event{Kind: EventStarted})
	case e.ResourcePreEvent != nil:
		m := e.ResourcePreEvent.Metadata
		if l.changes.add(m, l.stack.engine.opts.Redactor.String) {
			l.begun++
		}
		l.send(step(EventResource, m))
	case e.ResOutputsEvent != nil:
		l.changes.refreshed(e.ResOutputsEvent.Metadata, l.stack.engine.opts.Redactor.String)
		l.send(step(EventDone, e.ResOutputsEvent.Metadata))
	case e.ResOpFailedEvent != nil:
		l.send(step(EventFailed, e.ResOpFailedEvent.Metadata))
	case e.SummaryEvent != nil:
		l.summary = e.SummaryEvent
	case e.DiagnosticEvent != nil:
		d := e.DiagnosticEvent
		if d.Ephemeral || (d.Severity != "warning" && d.Severity != "error") {
			return
		}
		text := strings.TrimSpace(l.stack.engine.opts.Redactor.String(d.Message))
		l.send(Event{Kind: EventMessage, URN: d.URN, Op: d.Severity, Text: text})
	}
}

func (l *listener) send(e Event) {
	if l.tell == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Stack, e.Elapsed = l.stack.spec.Name, time.Since(l.start)
	l.tell(e)
}

func step(kind EventKind, m apitype.StepEventMetadata) Event {
	return Event{Kind: kind, URN: m.URN, Type: m.Type, Name: nameOf(m.URN), Op: string(m.Op)}
}

func nameOf(urn string) string {
	if i := strings.LastIndex(urn, "::"); i >= 0 {
		return urn[i+2:]
	}
	return urn
}
