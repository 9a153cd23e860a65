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

// holding is one holder during one operation. Its set is written at most once,
// whatever the number and order of calls, and whether that succeeds or not: a
// failed request may have reached the service, so only a new operation, planned
// anew, tries again.
type holding struct {
	holder Holder
	kind   *resourceKind
	set    Set
	store  Store
	gate   *gate

	mu      sync.Mutex
	write   *flight
	list    *flight
	adopted []string
}

// flight is one request to the holder's API; names is a list's result.
type flight struct {
	done  chan struct{}
	names []string
	err   error
}

// settle brings secrets to the holder or finds them there. It returns when that
// is certain, and never waits for another call to arrive. had are the values of
// the state; nil for a resource that it does not have yet.
func (w *holding) settle(ctx context.Context, s *session, values, had map[string]secrets.Value) error {
	if err := w.gate.open(); err != nil {
		return err
	}
	write, adopt := false, []string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		want, written := w.set.Write[name]
		if !written {
			var adopted bool
			if want, adopted = w.set.Adopt[name]; !adopted {
				return w.gate.strike(refuse(w.holder, name, "it is not part of the plan"))
			}
		}
		if !want.Equal(values[name]) {
			return w.gate.strike(refuse(w.holder, name,
				"the value is not the planned one (did the stack's config change after the plan?)"))
		}
		was, known := had[name]
		switch {
		case written:
			write = true
		case !known:
			adopt = append(adopt, name)
		case !w.kind.all || !was.Equal(want):
			return refuse(w.holder, name, "a value that differs from the state's must be written, the plan only takes it over")
		}
	}
	if len(adopt) > 0 {
		if err := w.adopt(ctx, s, adopt); err != nil {
			return err
		}
	}
	if write {
		return w.written(ctx, s)
	}
	return nil
}

func (w *holding) written(ctx context.Context, s *session) error {
	f, err := w.fly(s, &w.write, func(ctx context.Context, f *flight) {
		f.err = w.store.Write(ctx, w.holder, maps.Clone(w.set.Write))
	})
	if err != nil {
		return err
	}
	if err := f.wait(ctx); err != nil {
		return status.Errorf(codes.Aborted, "writing the %d planned secrets of %s: %s",
			len(w.set.Write), w.holder, w.clean(err))
	}
	return nil
}

func (w *holding) adopt(ctx context.Context, s *session, names []string) error {
	f, err := w.fly(s, &w.list, func(ctx context.Context, f *flight) {
		f.names, f.err = w.store.Names(ctx, w.holder)
	})
	if err != nil {
		return err
	}
	if err := f.wait(ctx); err != nil {
		return status.Errorf(codes.Aborted, "listing the secrets of %s to take over %s: %s", w.holder, names[0], w.clean(err))
	}
	for _, name := range names {
		if !slices.Contains(f.names, name) {
			return refuse(w.holder, name, "the "+string(w.holder.Kind)+" does not list it, so it cannot be taken over: rotate it, or plan it as a write")
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.adopted = sorted(append(w.adopted, names...))
	return nil
}

// clean is err's text without the set's values. A Store must not put one into
// its errors; this is the last place where that can be made sure of before the
// engine prints them.
func (w *holding) clean(err error) string {
	r := secrets.NewRedactor()
	r.Add(slices.Collect(maps.Values(w.set.Write))...)
	r.Add(slices.Collect(maps.Values(w.set.Adopt))...)
	return r.String(err.Error())
}

// fly starts the request in slot, or gives the one that stands there. The
// request runs by itself: a caller that goes away, and a Cancel, can stop it
// before it starts and never in between.
func (w *holding) fly(s *session, slot **flight, do func(context.Context, *flight)) (*flight, error) {
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
func (w *holding) result() (done bool, err error) {
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

func refuse(h Holder, name, why string) error {
	return status.Errorf(codes.FailedPrecondition, "refusing secret %s of %s: %s; nothing was written by this call", name, h, why)
}
