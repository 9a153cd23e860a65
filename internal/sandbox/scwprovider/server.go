// Package scwprovider serves a Pulumi provider "scaleway" from this process,
// for existing projects that roll containers out: it sends what the official
// plugin sends, to the sandbox's API, with the credentials that the project
// configured it with. The CLI attaches to it when PULUMI_DEBUG_PROVIDERS says
// scaleway:PORT, so nothing has to be installed.
package scwprovider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

// maxMessage is what the engine itself allows for one message.
const maxMessage = 400 << 20

// Config says where the service is.
type Config struct {
	// API is the address of Scaleway's API, without a path. As with the
	// official plugin's SCW_API_URL, it wins over the project's own setting.
	API string
	// Listen is an address to try first; where it is taken, any free port of
	// 127.0.0.1 is used. Empty: any.
	Listen string
	// HTTP sends the requests; default http.DefaultClient.
	HTTP *http.Client
	// Poll is the pause between two looks at a status that is in motion;
	// default 50 ms (the official plugin waits 5 s).
	Poll time.Duration
}

// Server serves the provider until it is closed.
type Server struct {
	grpc  *grpc.Server
	port  int
	done  chan error
	close func() error
}

// Serve starts the provider on 127.0.0.1 and stops it when ctx ends.
func Serve(ctx context.Context, c Config) (*Server, error) {
	if c.HTTP == nil {
		c.HTTP = http.DefaultClient
	}
	if c.Poll == 0 {
		c.Poll = 50 * time.Millisecond
	}
	listener, err := listen(ctx, c.Listen)
	if err != nil {
		return nil, fmt.Errorf("scaleway provider: listening: %w", err)
	}
	s := &Server{
		grpc: grpc.NewServer(grpc.StatsHandler(sessions{}), grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage)),
		port: listener.Addr().(*net.TCPAddr).Port,
		done: make(chan error, 1),
	}
	s.close = sync.OnceValue(s.stop)
	pulumirpc.RegisterResourceProviderServer(s.grpc, newProvider(c))
	go func() { s.done <- s.grpc.Serve(listener) }()
	context.AfterFunc(ctx, s.grpc.Stop)
	return s, nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	if address != "" {
		if l, err := config.Listen(ctx, "tcp", address); err == nil {
			return l, nil
		}
	}
	return config.Listen(ctx, "tcp", "127.0.0.1:0")
}

// Port is for PULUMI_DEBUG_PROVIDERS=scaleway:PORT.
func (s *Server) Port() int { return s.port }

// Close stops the provider; calls that are under way are broken off. It can be
// repeated.
func (s *Server) Close() error { return s.close() }

func (s *Server) stop() error {
	s.grpc.Stop()
	if err := <-s.done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("scaleway provider: serving: %w", err)
	}
	return nil
}

// session is what one connection was configured with. The engine opens a
// connection per provider resource, and several operations may be attached at
// once: what one project configures must not reach another's resources.
type session struct {
	mu       sync.Mutex
	settings settings
	engine   string
}

func (s *session) set(change func(*session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *session) get() (settings, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings, s.engine
}

type sessionKey struct{}

func sessionOf(ctx context.Context) *session {
	if s, ok := ctx.Value(sessionKey{}).(*session); ok {
		return s
	}
	return &session{}
}

// sessions gives each connection a session.
type sessions struct{}

func (sessions) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, sessionKey{}, &session{})
}
func (sessions) HandleConn(context.Context, stats.ConnStats)                     {}
func (sessions) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }
func (sessions) HandleRPC(context.Context, stats.RPCStats)                       {}
