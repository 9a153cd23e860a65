// Package fault keeps a mistake of this program from taking down what runs beside
// it: a panic in one part becomes an error of that part.
package fault

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// Error is a panic: what it was raised with, and where.
type Error struct {
	Cause any
	// Stack is the trace of the goroutine that raised it, for who mends the program.
	// It is not in the message.
	Stack []byte
}

// Error says that this program is at fault, not what was looked at.
func (e *Error) Error() string {
	return fmt.Sprintf("a fault in this program ended it: %v", e.Cause)
}

// Recovered is what recover gave as an error; one that was passed on keeps its
// stack.
func Recovered(cause any) *Error {
	if e, ok := cause.(*Error); ok {
		return e
	}
	return &Error{cause, debug.Stack()}
}

// Catch calls f; a panic in it is an *Error.
func Catch(f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = Recovered(cause)
		}
	}()
	return f()
}

// Group runs parts side by side. What panics in one of them reaches whoever waits,
// after all have ended: nobody else could recover a goroutine's panic. Its zero
// value is ready.
type Group struct {
	wg    sync.WaitGroup
	mu    sync.Mutex
	first *Error
}

// Go starts a part.
func (g *Group) Go(f func()) {
	g.wg.Go(func() {
		defer func() {
			if cause := recover(); cause != nil {
				g.mu.Lock()
				defer g.mu.Unlock()
				if g.first == nil {
					g.first = Recovered(cause)
				}
			}
		}()
		f()
	})
}

// Wait waits for all, and panics with the first *Error that there was.
func (g *Group) Wait() {
	g.wg.Wait()
	if g.first != nil {
		panic(g.first)
	}
}
