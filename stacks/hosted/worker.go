package hosted

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// worker is one Worker during one operation. Its set is written at most once,
// whatever the number and order of calls, and whether that succeeds or not: a
// failed request may have reached Cloudflare, so only a new operation, planned
// anew, tries again.
type worker struct {
	set    Set
	writer Writer
	gate   *gate

	mu      sync.Mutex
	write   *flight
	list    *flight
	adopted []string
}

// flight is one request to the Worker's API; names is a list's result.
type flight struct {
	done  chan struct{}
	names []string
	err   error
}

// settle brings a secret to the Worker or finds it there. It returns when that
// is certain, and never waits for another call to arrive.
func (w *worker) settle(ctx context.Context, s *session, name string, v secrets.Value, create bool) error {
	if err := w.gate.open(); err != nil {
		return err
	}
	want, write := w.set.Write[name]
	if !write {
		var adopt bool
		if want, adopt = w.set.Adopt[name]; !adopt {
			return w.gate.strike(refuse(w.set.Worker, name, "it is not part of the plan"))
		}
	}
	if !want.Equal(v) {
		return w.gate.strike(refuse(w.set.Worker, name,
			"the value is not the planned one (did the stack's config change after the plan?)"))
	}
	switch {
	case write:
		return w.written(ctx, s)
	case create:
		return w.adopt(ctx, s, name)
	default:
		return refuse(w.set.Worker, name, "a value that differs from the state's must be written, the plan only takes it over")
	}
}

func (w *worker) written(ctx context.Context, s *session) error {
	f, err := w.fly(s, &w.write, func(ctx context.Context, f *flight) {
		f.err = w.writer.Bulk(ctx, w.set.Account, w.set.Worker, maps.Clone(w.set.Write))
	})
	if err != nil {
		return err
	}
	if err := f.wait(ctx); err != nil {
		return status.Errorf(codes.Aborted, "writing the %d planned secrets of Worker %s: %s",
			len(w.set.Write), w.set.Worker, w.clean(err))
	}
	return nil
}

func (w *worker) adopt(ctx context.Context, s *session, name string) error {
	f, err := w.fly(s, &w.list, func(ctx context.Context, f *flight) {
		f.names, f.err = w.writer.Names(ctx, w.set.Account, w.set.Worker)
	})
	if err != nil {
		return err
	}
	if err := f.wait(ctx); err != nil {
		return status.Errorf(codes.Aborted, "listing the secrets of Worker %s to take over %s: %s", w.set.Worker, name, w.clean(err))
	}
	if !slices.Contains(f.names, name) {
		return refuse(w.set.Worker, name, "the Worker does not list it, so it cannot be taken over: rotate it, or plan it as a write")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.adopted, name) {
		w.adopted = append(w.adopted, name)
		slices.Sort(w.adopted)
	}
	return nil
}

// clean is err's text without the set's values. A Writer must not put one into
// its errors; this is the last place where that can be made sure of before the
// engine prints them.
func (w *worker) clean(err error) string {
	r := secrets.NewRedactor()
	r.Add(slices.Collect(maps.Values(w.set.Write))...)
	r.Add(slices.Collect(maps.Values(w.set.Adopt))...)
	return r.String(err.Error())
}

// fly starts the request in slot, or gives the one that stands there. The
// request runs by itself: a caller that goes away, and a Cancel, can stop it
// before it starts and never in between.
func (w *worker) fly(s *session, slot **flight, do func(context.Context, *flight)) (*flight, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if *slot != nil {
		return *slot, nil
	}
	ctx, end, err := w.gate.begin(s)
	if err != nil {
		return nil, err
	}
	f := &flight{done: make(chan struct{})}
	*slot = f
	go func() {
		defer end()
		defer close(f.done)
		do(ctx, f)
	}()
	return f, nil
}

func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	default:
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return fmt.Errorf("the caller left before the answer: %w", ctx.Err())
	}
}

// result is what became of the write: begun, and its error.
func (w *worker) result() (done bool, err error) {
	w.mu.Lock()
	f := w.write
	w.mu.Unlock()
	if f == nil {
		return false, nil
	}
	select {
	case <-f.done:
		return true, f.err
	default:
		return false, nil
	}
}

func refuse(worker, name, why string) error {
	return status.Errorf(codes.FailedPrecondition, "refusing secret %s of Worker %s: %s; nothing was written by this call", name, worker, why)
}
