package scwprovider_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"
)

const registryURN = "urn:pulumi:prod::infra::scaleway:registry/namespace:Namespace::registry"

func (b *bench) dial() pulumirpc.ResourceProviderClient {
	b.Helper()
	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", b.provider.Port()), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(b, err)
	b.Cleanup(func() { _ = conn.Close() })
	return pulumirpc.NewResourceProviderClient(conn)
}

func properties(t *testing.T, m map[string]any) *structpb.Struct {
	t.Helper()
	s, err := plugin.MarshalProperties(resource.NewPropertyMapFromMap(m), plugin.MarshalOptions{})
	require.NoError(t, err)
	return s
}

// Two projects that are rolled out at once have their own keys: what one
// configured must not reach the other's requests.
func TestEveryConnectionHasItsOwnKey(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	var work sync.WaitGroup
	for i := range 4 {
		client, key := b.dial(), fmt.Sprintf("key-%d", i)
		_, err := client.Configure(ctx, &pulumirpc.ConfigureRequest{Args: properties(t, map[string]any{"secretKey": key})})
		require.NoError(t, err)
		work.Go(func() {
			for range 5 {
				_, _ = client.Create(ctx, &pulumirpc.CreateRequest{Urn: registryURN, Properties: properties(t, map[string]any{"name": key})})
			}
		})
	}
	work.Wait()
	wrote := b.wrote()
	require.Len(t, wrote, 20)
	for _, r := range wrote {
		require.Equal(t, r.key, r.body["name"])
	}
}

func TestCheck(t *testing.T) {
	b := newBench(t)
	check := func(m map[string]any) *pulumirpc.CheckResponse {
		got, err := b.dial().Check(context.Background(), &pulumirpc.CheckRequest{Urn: registryURN, News: properties(t, m), RandomSeed: []byte{0xab, 0xcd, 0xef, 0x12}})
		require.NoError(t, err)
		return got
	}
	require.Empty(t, check(map[string]any{"name": "sanmarcsoft"}).GetFailures())
	require.Len(t, check(map[string]any{"nmae": "x"}).GetFailures(), 1)
	require.Len(t, check(map[string]any{"endpoint": "set by the service"}).GetFailures(), 1)
	require.Equal(t, "registry-abcdef1", check(nil).GetInputs().AsMap()["name"], "a name is made up where there is none")
}

func TestUnknownTypeIsRefused(t *testing.T) {
	b := newBench(t)
	_, err := b.dial().Create(context.Background(), &pulumirpc.CreateRequest{
		Urn: "urn:pulumi:prod::infra::scaleway:instance/server:Server::x", Properties: properties(t, nil)})
	require.ErrorContains(t, err, "scaleway:instance/server:Server")
	require.Empty(t, b.wrote())
}

func TestDeleteCanBeRepeated(t *testing.T) {
	b := newBench(t)
	ctx, client := context.Background(), b.dial()
	_, err := client.Configure(ctx, &pulumirpc.ConfigureRequest{Args: properties(t, map[string]any{"secretKey": b.pass["sanmarcsoft/scaleway/api-secret"]})})
	require.NoError(t, err)
	made, err := client.Create(ctx, &pulumirpc.CreateRequest{Urn: registryURN, Properties: properties(t, map[string]any{"name": "sanmarcsoft"})})
	require.NoError(t, err)
	read := &pulumirpc.ReadRequest{Urn: registryURN, Id: made.GetId()}
	there, err := client.Read(ctx, read)
	require.NoError(t, err)
	require.Equal(t, made.GetId(), there.GetId())
	for range 2 {
		_, err = client.Delete(ctx, &pulumirpc.DeleteRequest{Urn: registryURN, Id: made.GetId()})
		require.NoError(t, err)
	}
	gone, err := client.Read(ctx, read)
	require.NoError(t, err)
	require.Empty(t, gone.GetId())
}
