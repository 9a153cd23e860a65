package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

const (
	s3Server = "s3"
	// Bucket is the name of the state's bucket, the company's own.
	Bucket = "sanmarcsoft-pulumi-state"
	// longestFolder leaves room for a socket's name: its address may have about
	// 107 bytes.
	longestFolder = 80
	// s3Patience bounds the wait for the server's start, 50 ms on an idle machine.
	s3Patience = 30 * time.Second
)

func (l layout) bucket() string   { return l.path("s3", "buckets", Bucket) }
func (l layout) metadata() string { return l.path("s3", "metadata") }

// makeBuckets makes the company's bucket, empty: to the server a bucket is a
// folder, and what a file's attributes cannot keep stands in another.
func makeBuckets(l layout) error {
	for _, dir := range []string{l.bucket(), l.metadata()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the state's bucket: %w", err)
		}
	}
	return nil
}

// keeper runs the S3 server and ends it with us, however we end: the kernel
// closes its standard input. Killing the server loses nothing that it has
// acknowledged, it publishes an object by giving it its name.
const keeper = `"$@" </dev/null &
server=$!
read -r _
kill -9 "$server"
wait "$server" 2>/dev/null
rm -rf "$VGW_IAM_DIR"`

// gateway is this process's S3 server, versitygw over the world's one folder of
// buckets. Several of them may run over it: create-only writes hold between
// them, by lock files. It listens on a socket in a private folder; clients come
// through ServeHTTP, which brings its accounts up to date before each request.
type gateway struct {
	world *world.World
	log   *api.API
	// run holds the socket and the accounts; the keeper removes it.
	run    string
	keeper *exec.Cmd
	stdin  io.Closer
	output *lockedBuffer
	proxy  *httputil.ReverseProxy
	dialer *http.Transport

	mu       sync.Mutex
	accounts []byte // as last written
}

func startGateway(ctx context.Context, l layout, w *world.World, log *api.API, program string) (*gateway, error) {
	parent := l.path("s3")
	if len(parent) > longestFolder {
		parent = os.TempDir()
	}
	run, err := os.MkdirTemp(parent, "run-")
	if err != nil {
		return nil, fmt.Errorf("starting the S3 server: %w", err)
	}
	g := &gateway{world: w, log: log, run: run, output: &lockedBuffer{}}
	if _, err := g.sync(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(run))
	}
	if err := g.start(l, program); err != nil {
		return nil, errors.Join(err, os.RemoveAll(run))
	}
	g.forward()
	if err := g.await(ctx); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

func (g *gateway) socket() string { return filepath.Join(g.run, "socket") }

// start hands everything over in the environment. The root account is needed
// to start and used by nobody.
func (g *gateway) start(l layout, program string) error {
	// The program's own path stands on the command line, and nothing else of ours.
	g.keeper = exec.Command("sh", "-c", keeper, "sh", program, "posix", filepath.Dir(l.bucket()))
	g.keeper.Dir = g.run
	g.keeper.Env = []string{"PATH=" + os.Getenv("PATH"), "SECRET_ROTATION_SANDBOX=" + l.dir,
		"ROOT_ACCESS_KEY_ID=root-" + world.NewUUID(), "ROOT_SECRET_ACCESS_KEY=" + world.NewUUID(),
		"VGW_PORT=" + g.socket(), "VGW_SOCKET_PERM=0600", "VGW_REGION=fr-par", "VGW_QUIET=true",
		"VGW_IAM_DIR=" + g.run, "VGW_IAM_CACHE_DISABLE=true", "VGW_META_SIDECAR=" + l.metadata()}
	// Ctrl-C is for us: what we began still needs its state.
	g.keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	g.keeper.Stdout, g.keeper.Stderr = g.output, g.output
	// Somebody who kills the keeper leaves the server with our pipe: close must
	// not wait for that.
	g.keeper.WaitDelay = 5 * time.Second
	stdin, err := g.keeper.StdinPipe()
	if err != nil {
		return fmt.Errorf("starting the S3 server: %w", err)
	}
	g.stdin = stdin
	if err := g.keeper.Start(); err != nil {
		return fmt.Errorf("starting the S3 server: %w", err)
	}
	return nil
}

// forward prepares the way to the socket. Requests go through as they are, for
// the host and the encoding are signed.
func (g *gateway) forward() {
	g.dialer = &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", g.socket())
	}}
	g.proxy = &httputil.ReverseProxy{Transport: g.dialer, Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", "socket", r.In.Host
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
		w.WriteHeader(http.StatusBadGateway)
	}}
}

func (g *gateway) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s3Patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", g.socket())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the S3 server: %w: %s", ctx.Err(), g.output.text())
		case <-tick.C:
		}
	}
}

// close ends the server and waits until it is gone.
func (g *gateway) close() error {
	err := g.stdin.Close()
	_ = g.keeper.Wait() // the keeper tells how the server ended: killed
	g.dialer.CloseIdleConnections()
	return err
}

// lockedBuffer takes what the server says.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write keeps the first part: why it does not start is said at once.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len() < 4096 {
		b.buf.Write(p)
	}
	return len(p), nil
}

func (b *lockedBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
