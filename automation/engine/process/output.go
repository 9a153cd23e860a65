package process

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// output reads one stream of a command through the redactor and keeps its end.
// It is a pipe of our own because os/exec would wait for every descendant that
// holds the other end.
type output struct {
	read, write *os.File
	keep        *tail
	done        chan struct{}
}

// capture redacts, or with no redactor keeps all of the output as it is.
func capture(dst *io.Writer, red *secrets.Redactor) (*output, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	o := &output{read: r, write: w, keep: &tail{whole: red == nil}, done: make(chan struct{})}
	*dst = w
	go func() {
		defer close(o.done)
		if red == nil {
			_, _ = io.Copy(o.keep, r)
			return
		}
		safe := red.Writer(o.keep)
		_, _ = io.Copy(safe, r)
		_ = safe.Close()
	}()
	return o, nil
}

// finish returns what came, at the latest settle after the command's end.
func (o *output) finish() string {
	_ = o.write.Close()
	select {
	case <-o.done:
	case <-time.After(settle):
		_ = o.read.SetReadDeadline(time.Now())
		<-o.done
	}
	_ = o.read.Close()
	return o.keep.String()
}

func (o *output) abandon() {
	_ = o.write.Close()
	<-o.done
	_ = o.read.Close()
}

// tail keeps the last tailSize bytes written to it, or the whole.
type tail struct {
	mu    sync.Mutex
	buf   []byte
	cut   bool
	whole bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 && !t.whole {
		t.buf = append(t.buf[:0], t.buf[over:]...)
		t.cut = true
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cut {
		return "[…]" + string(t.buf)
	}
	return string(t.buf)
}
