package hosted_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

const (
	account = "0123456789abcdef0123456789abcdef"
	worker  = "badges"
	urnBase = "urn:pulumi:badges::proj::cloudflare:index/workersSecret:WorkersSecret::"
)

// cloud is the Workers' API: a truth per Worker, and what was asked of it.
type cloud struct {
	mu      sync.Mutex
	workers map[string]map[string]string
	bulks   []bulk
	lists   int
	fail    error
	// hold, if set, runs inside every Bulk before it takes effect.
	hold func(context.Context) error
}

type bulk struct {
	worker string
	names  []string
}

func newCloud() *cloud { return &cloud{workers: map[string]map[string]string{}} }

func (c *cloud) Names(_ context.Context, _, worker string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists++
	return slices.Sorted(maps.Keys(c.workers[worker])), c.fail
}

func (c *cloud) Bulk(ctx context.Context, _, worker string, set map[string]secrets.Value) error {
	if c.hold != nil {
		if err := c.hold(ctx); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bulks = append(c.bulks, bulk{worker, slices.Sorted(maps.Keys(set))})
	if c.fail != nil {
		return c.fail
	}
	if c.workers[worker] == nil {
		c.workers[worker] = map[string]string{}
	}
	for name, v := range set {
		c.workers[worker][name] = string(v.Reveal())
	}
	return nil
}

func (c *cloud) set(worker string, values map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.workers[worker] = maps.Clone(values)
}

func (c *cloud) setFail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

func (c *cloud) secretsOf(worker string) map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.workers[worker])
}

// written takes the log of Bulk requests.
func (c *cloud) written() []bulk {
	c.mu.Lock()
	defer c.mu.Unlock()
	log := c.bulks
	c.bulks = nil
	return log
}

// lines is a log of warnings.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text, "\n")
}

func sealed(values map[string]string) map[string]secrets.Value {
	out := map[string]secrets.Value{}
	for name, v := range values {
		out[name] = secrets.NewValue([]byte(v))
	}
	return out
}

func writeSet(worker string, values map[string]string) hosted.Set {
	return hosted.Set{Account: account, Worker: worker, Write: sealed(values)}
}

// failer is what testing.T and rapid.T share.
type failer interface {
	require.TestingT
	Helper()
}

func serve(t *testing.T, c hosted.Config) (*hosted.Server, *engine) {
	t.Helper()
	s, err := hosted.Serve(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	e := connect(t, s)
	t.Cleanup(e.hangUp)
	return s, e
}

// engine speaks to the provider as the engine does.
type engine struct {
	pulumirpc.ResourceProviderClient
	conn *grpc.ClientConn
}

func connect(t failer, s *hosted.Server) *engine {
	t.Helper()
	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", s.Port()), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	return &engine{pulumirpc.NewResourceProviderClient(conn), conn}
}

func (e *engine) hangUp() { _ = e.conn.Close() }

// inputs are a secret's properties as the engine sends them, the text marked.
func inputs(worker, name, text string) resource.PropertyMap {
	return resource.PropertyMap{
		"accountId":  resource.NewProperty(account),
		"scriptName": resource.NewProperty(worker),
		"name":       resource.NewProperty(name),
		"secretText": resource.MakeSecret(resource.NewProperty(text)),
	}
}

func wire(t failer, m resource.PropertyMap) *structpb.Struct {
	t.Helper()
	s, err := plugin.MarshalProperties(m, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true})
	require.NoError(t, err)
	return s
}

func unwire(t failer, s *structpb.Struct) resource.PropertyMap {
	t.Helper()
	m, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true})
	require.NoError(t, err)
	return m
}

func (e *engine) create(ctx context.Context, t failer, worker, name, text string) (*pulumirpc.CreateResponse, error) {
	t.Helper()
	return e.Create(ctx, &pulumirpc.CreateRequest{
		Urn: urnBase + worker + "/" + name, Properties: wire(t, inputs(worker, name, text)),
	})
}

func (e *engine) update(ctx context.Context, t failer, worker, name, was, is string) (*pulumirpc.UpdateResponse, error) {
	t.Helper()
	return e.Update(ctx, &pulumirpc.UpdateRequest{
		Urn: urnBase + worker + "/" + name, Id: idOf(worker, name),
		Olds: wire(t, inputs(worker, name, was)), OldInputs: wire(t, inputs(worker, name, was)),
		News: wire(t, inputs(worker, name, is)),
	})
}
