// Package hosted serves Pulumi providers from this process, for secrets only:
// package "cloudflare" for Worker secrets, "scaleway" for the secret variables of
// containers and "github" for the secrets of Actions. The registry's plugin for Workers replaces a secret
// whose text changed and then deletes, by name, what it has just written; here a
// change is an update in place, all secrets of a holder go out in one request,
// and nothing is ever deleted or, of holders, made.
//
// The engine finds it by PULUMI_DEBUG_PROVIDERS=cloudflare:PORT,…. The ports are
// open to every local user, so the server writes nothing but the sets it was
// started with and hands out no value that the caller did not bring.
package hosted

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	defaultGrace = 30 * time.Second
	// hardWait bounds what Close waits for after it has taken the context from
	// the requests, and for connections to drain.
	hardWait = 2 * time.Second
)

// Config is one operation. Without Sets nothing can be written: that is what a
// preview gets.
type Config struct {
	// Package is what is served; empty means Cloudflare.
	Package Package
	Sets    []Set
	// Writer is the side of Workers, Store that of every other holder.
	Writer Writer
	Store  Store
	// Log takes warnings, one line each, without values. Optional.
	Log func(line string)
	// Grace is how long Close lets a request to the service's API end by itself;
	// 0 means 30 seconds.
	Grace time.Duration
}

// Server is the provider of one stack during one operation.
type Server struct {
	listener net.Listener
	grpc     *grpc.Server
	plan     plan
	gate     *gate
	grace    time.Duration
	closing  sync.Once
	closeErr error
}

// Serve starts the provider on a free port of 127.0.0.1. When ctx is done no
// further write starts; one under way ends. Close must be called.
func Serve(ctx context.Context, c Config) (*Server, error) {
	if c.Log == nil {
		c.Log = func(string) {}
	}
	if c.Grace == 0 {
		c.Grace = defaultGrace
	}
	d, ok := dialectOf(c.Package)
	if !ok {
		return nil, fmt.Errorf("serving package %q: it is not known here", c.Package)
	}
	store := c.Store
	if d.name == Cloudflare && c.Writer != nil {
		store = workers{c.Writer}
	}
	g := newGate(ctx, c.Log)
	p, err := newPlan(d, c.Sets, store, g)
	if err != nil {
		g.cancel()
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		g.cancel()
		return nil, fmt.Errorf("listening for the engine: %w", err)
	}
	s := &Server{
		listener: listener, plan: p, gate: g, grace: c.Grace,
		grpc: grpc.NewServer(grpc.StatsHandler(sessions{}), grpc.UnaryInterceptor(survive)),
	}
	pulumirpc.RegisterResourceProviderServer(s.grpc, &provider{dialect: d, plan: p, log: c.Log})
	go func() { _ = s.grpc.Serve(newOwnListener(listener, c.Log)) }()
	return s, nil
}

// Port is the port for PULUMI_DEBUG_PROVIDERS.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Written lists, for each holder, the names that went out and were accepted.
// A planned set is absent as long as no call needed it: the engine calls only
// for what differs from its state.
func (s *Server) Written() map[string][]string {
	out := map[string][]string{}
	for key, w := range s.plan {
		if done, err := w.result(); done && err == nil {
			out[key.Name] = sorted(append(out[key.Name], slices.Collect(maps.Keys(w.set.Write))...))
		}
	}
	return out
}

// Adopted lists, for each holder, the names taken into state without a write.
// Their values are not proven.
func (s *Server) Adopted() map[string][]string {
	out := map[string][]string{}
	for key, w := range s.plan {
		w.mu.Lock()
		if len(w.adopted) > 0 {
			out[key.Name] = sorted(append(out[key.Name], w.adopted...))
		}
		w.mu.Unlock()
	}
	return out
}

// Failed gives, by the holder's name, the errors of Failures.
func (s *Server) Failed() map[string]error {
	out := map[string]error{}
	for h, err := range s.Failures() {
		out[h.Name] = errors.Join(out[h.Name], err)
	}
	return out
}

// Failures gives, for each holder whose write failed, the service's own error.
// The engine passes on only its text. Whether the write reached the holder may
// be unknown.
func (s *Server) Failures() map[Holder]error {
	out := map[Holder]error{}
	for h, w := range s.plan {
		if done, err := w.result(); done && err != nil {
			out[h] = err
		}
	}
	return out
}

// Close admits nothing more, lets a request under way end (Config.Grace), then
// ends it, and stops the server. After Close nothing is written any more; if a
// Store does not heed its context, Close says so instead. It can be repeated.
func (s *Server) Close() error {
	s.closing.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Server) close() error {
	defer s.gate.cancel()
	idle := s.gate.shut()
	var err error
	if !within(idle, s.grace) {
		s.gate.cancel()
		if !within(idle, hardWait) {
			err = errors.New("closing the provider: a request to the service's API did not end, its outcome is unknown")
		}
	}
	drained := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(drained)
	}()
	if !within(drained, hardWait) {
		s.grpc.Stop()
	}
	return err
}

func within(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// survive keeps a malformed request, which any local user can send, from
// ending the process. What it panicked with is dropped: it may quote the request.
func survive(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if recover() != nil {
			resp, err = nil, status.Errorf(codes.Internal, "handling %s: malformed request", info.FullMethod)
		}
	}()
	return next(ctx, req)
}

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
