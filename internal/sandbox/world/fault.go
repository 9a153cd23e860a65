package world

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Fault changes the answer to the next requests that it fits.
type Fault struct {
	// Service, Method and Path choose the requests; empty fits all. In Path a
	// * stands for any characters, / too: "*/secrets-bulk".
	Service string `json:"service,omitempty"`
	Method  string `json:"method,omitempty"`
	Path    string `json:"path,omitempty"`
	// Times is how often it happens; 0 means once, negative for ever.
	Times int `json:"times"`
	// Delay is waited out before anything else.
	Delay Millis `json:"delay_ms,omitempty"`
	// Status answers with this HTTP status and, in the service's own error
	// shape, Code.
	Status int    `json:"status,omitempty"`
	Code   string `json:"code,omitempty"`
	// RetryAfter is sent as a header, in seconds.
	RetryAfter int `json:"retry_after,omitempty"`
	// Drop closes the connection instead of answering.
	Drop bool `json:"drop,omitempty"`
	// AfterCommit does what was asked first; without Status it then drops.
	AfterCommit bool `json:"after_commit,omitempty"`
}

// Fits reports whether the fault is meant for such a request.
func (f Fault) Fits(service, method, path string) bool {
	return (f.Service == "" || f.Service == service) &&
		(f.Method == "" || strings.EqualFold(f.Method, method)) &&
		(f.Path == "" || glob(f.Path).MatchString(path))
}

func glob(pattern string) *regexp.Regexp {
	parts := strings.Split(pattern, "*")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
}

// Wait waits out the delay, or until ctx ends.
func (f Fault) Wait(ctx context.Context) error { return Wait(ctx, f.Delay.Duration()) }

// Wait waits for d, or until ctx ends; then it returns ctx's error.
func Wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// AddFault queues a fault. One that would change nothing is an error.
func (w *World) AddFault(f Fault) error {
	if f.Status == 0 && f.Delay == 0 && !f.Drop && !f.AfterCommit {
		return fmt.Errorf("adding a fault: it has no status, delay, drop or after_commit")
	}
	if f.Status != 0 && (f.Status < 400 || f.Status > 599) {
		return fmt.Errorf("adding a fault: status %d is not an error (400 to 599)", f.Status)
	}
	if f.Times == 0 {
		f.Times = 1
	}
	return w.Update(func(s *State) error {
		s.Faults = append(s.Faults, f)
		return nil
	})
}

// ClearFaults drops all faults.
func (w *World) ClearFaults() error {
	return w.Update(func(s *State) error {
		s.Faults = nil
		return nil
	})
}

// TakeFault uses up the first fault that fits the request; nil if none does.
func (w *World) TakeFault(service, method, path string) (*Fault, error) {
	var taken *Fault
	err := w.Update(func(s *State) error {
		for i, f := range s.Faults {
			if !f.Fits(service, method, path) {
				continue
			}
			taken = &f
			if f.Times > 0 {
				s.Faults[i].Times--
			}
			if s.Faults[i].Times == 0 {
				s.Faults = slices.Delete(s.Faults, i, i+1)
			}
			return nil
		}
		return nil
	})
	return taken, err
}
