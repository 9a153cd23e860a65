package hosted_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// held is a cloud whose Bulk stops halfway until released, or until its context
// ends, as an HTTP request does.
type held struct {
	*cloud
	begun, release chan struct{}
}

func newHeld() *held {
	h := &held{newCloud(), make(chan struct{}, 8), make(chan struct{})}
	h.hold = func(ctx context.Context) error {
		h.begun <- struct{}{}
		select {
		case <-h.release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return h
}

// start makes a Create call in the background and returns its result's channel.
func start(ctx context.Context, t *testing.T, e *engine, worker, name, text string) <-chan error {
	result := make(chan error, 1)
	go func() {
		_, err := e.create(ctx, t, worker, name, text)
		result <- err
	}()
	return result
}

func twoWorkers(c *held, grace time.Duration) hosted.Config {
	one := map[string]string{"A": "one"}
	return hosted.Config{Writer: c, Grace: grace, Sets: []hosted.Set{writeSet("first", one), writeSet("second", one)}}
}

func TestCloseLetsAWriteEndAndAdmitsNoOther(t *testing.T) {
	c := newHeld()
	s, e := serve(t, twoWorkers(c, time.Hour))
	first := start(t.Context(), t, e, "first", "A", "one")
	<-c.begun
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()

	// While it waits, Close refuses what has not started.
	require.Eventually(t, func() bool {
		_, late := e.create(t.Context(), t, "second", "A", "wrong")
		return status.Code(late) == codes.Unavailable
	}, 10*time.Second, time.Millisecond)
	_, err := e.create(t.Context(), t, "second", "A", "one")
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Empty(t, closed, "Close waits for the write under way")

	close(c.release)
	require.NoError(t, <-first)
	require.NoError(t, <-closed)
	require.Equal(t, map[string][]string{"first": {"A"}}, s.Written())
	require.Len(t, c.written(), 1)

	_, err = e.create(t.Context(), t, "second", "A", "one")
	require.Equal(t, codes.Unavailable, status.Code(err), "nobody listens any more")
	require.NoError(t, s.Close(), "closing twice is fine")
	require.Empty(t, c.written(), "after Close nothing is written")
}

func TestCloseEndsAWriteThatDoesNotEnd(t *testing.T) {
	c := newHeld()
	s, e := serve(t, twoWorkers(c, time.Nanosecond))
	first := start(t.Context(), t, e, "first", "A", "one")
	<-c.begun
	require.NoError(t, s.Close())
	require.Error(t, <-first)
	require.ErrorIs(t, s.Failed()["first"], context.Canceled)
	close(c.release)
	require.Empty(t, c.written(), "a write that Close ended does not land later")
	require.Empty(t, c.secretsOf("first"))
}

func TestCloseSaysWhenAWriterDoesNotHeedItsContext(t *testing.T) {
	t.Parallel() // waits out the bound of a hard close
	c := newHeld()
	c.hold = func(context.Context) error {
		c.begun <- struct{}{}
		<-c.release
		return errors.New("late")
	}
	s, e := serve(t, twoWorkers(c, time.Nanosecond))
	first := start(t.Context(), t, e, "first", "A", "one")
	<-c.begun
	require.ErrorContains(t, s.Close(), "its outcome is unknown")
	require.Error(t, <-first)
	close(c.release)
}

func TestCancelStopsBeforeTheWrite(t *testing.T) {
	c := newCloud()
	s, e := serve(t, hosted.Config{Writer: c, Sets: []hosted.Set{writeSet(worker, map[string]string{"A": "one"})}})
	_, err := e.Cancel(t.Context(), &emptypb.Empty{})
	require.NoError(t, err)
	_, err = e.create(t.Context(), t, worker, "A", "one")
	require.Equal(t, codes.Canceled, status.Code(err))
	require.ErrorContains(t, err, "nothing was sent")
	require.Empty(t, c.written())

	// Cancel also ends every preview: the up that follows comes by a connection
	// of its own.
	next := connect(t, s)
	defer next.hangUp()
	_, err = next.create(t.Context(), t, worker, "A", "one")
	require.NoError(t, err)
	require.Len(t, c.written(), 1)
}

func TestCancelNeverStopsInBetween(t *testing.T) {
	c := newHeld()
	s, e := serve(t, twoWorkers(c, time.Hour))
	first := start(t.Context(), t, e, "first", "A", "one")
	<-c.begun
	_, err := e.Cancel(t.Context(), &emptypb.Empty{})
	require.NoError(t, err)
	_, err = e.create(t.Context(), t, "second", "A", "one")
	require.Equal(t, codes.Canceled, status.Code(err), "what has not started does not start")
	close(c.release)
	require.NoError(t, <-first, "what has started ends well")
	_, err = e.create(t.Context(), t, "first", "A", "one")
	require.NoError(t, err, "and what is written gets into the state")
	require.Equal(t, map[string][]string{"first": {"A"}}, s.Written())
}

// The engine is killed while the request is under way: the request ends by
// itself, so the Worker has the old set or the new one.
func TestACallerThatLeavesDoesNotTearTheWrite(t *testing.T) {
	c := newHeld()
	s, e := serve(t, twoWorkers(c, time.Hour))
	ctx, leave := context.WithCancel(t.Context())
	first := start(ctx, t, e, "first", "A", "one")
	<-c.begun
	leave()
	require.Error(t, <-first)
	e.hangUp()
	close(c.release)
	require.NoError(t, s.Close())
	require.Equal(t, map[string][]string{"first": {"A"}}, s.Written())
	require.Equal(t, map[string]string{"A": "one"}, c.secretsOf("first"))
}

func TestNothingStartsOnceTheContextIsDone(t *testing.T) {
	c := newHeld()
	ctx, stop := context.WithCancel(t.Context())
	s, err := hosted.Serve(ctx, twoWorkers(c, time.Hour))
	require.NoError(t, err)
	e := connect(t, s)
	defer e.hangUp()
	first := start(t.Context(), t, e, "first", "A", "one")
	<-c.begun
	stop()
	_, err = e.create(t.Context(), t, "second", "A", "one")
	require.Equal(t, codes.Canceled, status.Code(err))
	close(c.release)
	require.NoError(t, <-first)
	require.NoError(t, s.Close())
	require.Len(t, c.written(), 1)
}
