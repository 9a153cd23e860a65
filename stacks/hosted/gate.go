package hosted

import (
	"context"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// maxStrikes is how many unplanned values are looked at before the server
// refuses everything: another local user may guess at a short value, and every
// answer tells whether the guess was right. The engine's own calls bring each
// value once.
const maxStrikes = 100

// gate decides whether a request to the service's API may start, and knows the
// ones that are under way.
type gate struct {
	log    func(string)
	ctx    context.Context // of the requests; ended only by a hard close
	cancel context.CancelFunc
	alive  context.Context // Serve's: nothing starts once it is done

	mu      sync.Mutex
	closed  bool
	strikes int
	flights sync.WaitGroup
}

func newGate(ctx context.Context, log func(string)) *gate {
	g := &gate{log: log, alive: ctx}
	g.ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return g
}

// open refuses calls while the server closes or somebody guesses.
func (g *gate) open() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refusal()
}

func (g *gate) refusal() error {
	switch {
	case g.closed:
		return status.Error(codes.Unavailable, "refusing the call: the operation is over, the provider is closing")
	case g.strikes >= maxStrikes:
		return status.Error(codes.PermissionDenied, "refusing the call: too many calls with unplanned values in this operation")
	}
	return nil
}

// begin admits one request. end must be called when it has returned.
func (g *gate) begin(s *session) (ctx context.Context, end func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.refusal(); err != nil {
		return nil, nil, err
	}
	if g.alive.Err() != nil || s.canceled.Load() {
		return nil, nil, status.Error(codes.Canceled, "stopping before the write: the operation was canceled, nothing was sent")
	}
	g.flights.Add(1)
	return g.ctx, g.flights.Done, nil
}

// strike counts a refused value and passes the refusal on.
func (g *gate) strike(refusal error) error {
	g.mu.Lock()
	g.strikes++
	last := g.strikes == maxStrikes
	g.mu.Unlock()
	if last {
		g.log("warning: too many calls with unplanned values; nothing more is accepted in this operation. Is another local user guessing?")
	}
	return refusal
}

// shut admits nothing more and returns a channel that closes when the last
// request has returned.
func (g *gate) shut() <-chan struct{} {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		g.flights.Wait()
		close(idle)
	}()
	return idle
}

// session is one connection. Cancel counts for the connection it came by: the
// engine sends it at the end of each operation, a preview's must not stop the
// up that follows, and nobody else's can stop the engine.
type session struct{ canceled atomic.Bool }

type sessionKey struct{}

func sessionOf(ctx context.Context) *session {
	if s, ok := ctx.Value(sessionKey{}).(*session); ok {
		return s
	}
	return &session{}
}

// sessions is a stats.Handler only because that is where gRPC lets a server
// put something on a connection.
type sessions struct{}

func (sessions) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, sessionKey{}, &session{})
}
func (sessions) HandleConn(context.Context, stats.ConnStats)                     {}
func (sessions) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }
func (sessions) HandleRPC(context.Context, stats.RPCStats)                       {}
