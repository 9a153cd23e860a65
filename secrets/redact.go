package secrets

import (
	"bytes"
	"io"
	"sync"
)

// shortestRedacted is the length in bytes of the shortest value that a
// Redactor hides. A shorter one occurs by chance in any text: hiding it would
// make the text useless and, by where it is missing, tell the value. Entry
// patterns keep such values out.
const shortestRedacted = 4

// Redactor hides values in what child processes and services say: raw, line by
// line, and in base64, hex, URL and JSON form. It is the second line of
// defence; the first is that a Value does not print. It is safe for concurrent
// use.
//
// Its memory is out of reach for fmt and for test diffs, as a Value's is.
type Redactor struct{ own func() *forms }

// forms are the byte sequences to hide and the matcher built from them.
type forms struct {
	mu      sync.Mutex
	known   map[string]bool
	matcher *matcher
}

// NewRedactor returns a Redactor that hides nothing yet.
func NewRedactor() *Redactor {
	own := &forms{known: map[string]bool{}}
	return &Redactor{own: func() *forms { return own }}
}

// Add hides values from now on, in open writers too. Values under 4 bytes and
// the words true, false and null are not hidden.
func (r *Redactor) Add(values ...Value) {
	f := r.own()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, v := range values {
		for _, form := range formsOf(v.bytes()) {
			if !f.known[form] {
				f.known[form] = true
				f.matcher = nil
			}
		}
	}
}

// current is the matcher of all forms added so far.
func (f *forms) current() *matcher {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.matcher == nil {
		f.matcher = newMatcher(f.known)
	}
	return f.matcher
}

// String returns text with every value replaced by "[secret]".
func (r *Redactor) String(text string) string {
	var out bytes.Buffer
	s := scanner{matcher: r.own().current()}
	s.feed([]byte(text), &out)
	s.flush(&out)
	return out.String()
}

// Holds reports whether data holds any value in any form. It guards what must
// not be redacted but refused, such as the arguments of a command.
func (r *Redactor) Holds(data []byte) bool {
	m := r.own().current()
	state := int32(0)
	for _, b := range data {
		state = m.step(state, b)
		if m.nodes[state].longest > 0 {
			return true
		}
	}
	return false
}

// Writer returns a writer that passes what is written to w with every value
// replaced, wherever a value is split over writes. A write passes on all but
// the end that could be the beginning of a value, so progress stays live. Close
// passes on the rest, without a value that was cut off; it does not close w.
func (r *Redactor) Writer(w io.Writer) io.WriteCloser {
	var mu sync.Mutex
	var failed error
	s := scanner{}
	pass := func(out *bytes.Buffer) error {
		if failed == nil && out.Len() > 0 {
			_, failed = w.Write(out.Bytes())
		}
		return failed
	}
	return redacting{
		write: func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			var out bytes.Buffer
			s.use(r.own().current())
			s.feed(p, &out)
			if err := pass(&out); err != nil {
				return 0, err
			}
			return len(p), nil
		},
		close: func() error {
			mu.Lock()
			defer mu.Unlock()
			var out bytes.Buffer
			s.use(r.own().current())
			s.hideCutOff()
			s.flush(&out)
			return pass(&out)
		},
	}
}

// redacting holds a writer's state in closures: the part of a value that waits
// for the rest must not print either.
type redacting struct {
	write func([]byte) (int, error)
	close func() error
}

// Write implements io.Writer.
func (w redacting) Write(p []byte) (int, error) { return w.write(p) }

// Close implements io.Closer.
func (w redacting) Close() error { return w.close() }
