package hosted_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-cloudflare/sdk/v5/go/cloudflare"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

func idOf(worker, name string) string {
	sum := md5.Sum([]byte(account + "/" + worker + "/" + name))
	return hex.EncodeToString(sum[:])
}

func TestNegotiation(t *testing.T) {
	_, e := serve(t, hosted.Config{})
	ctx := t.Context()
	info, err := e.GetPluginInfo(ctx, &emptypb.Empty{})
	require.NoError(t, err)
	require.Equal(t, "5.49.1", info.GetVersion())
	_, err = e.Attach(ctx, &pulumirpc.PluginAttach{Address: "127.0.0.1:1"})
	require.NoError(t, err)
	shake, err := e.Handshake(ctx, &pulumirpc.ProviderHandshakeRequest{})
	require.NoError(t, err)
	conf, err := e.Configure(ctx, &pulumirpc.ConfigureRequest{AcceptSecrets: true})
	require.NoError(t, err)
	require.True(t, shake.GetAcceptSecrets() && shake.GetAcceptResources())
	require.True(t, conf.GetAcceptSecrets() && conf.GetAcceptResources() && conf.GetSupportsPreview())
	require.Equal(t, shake.GetAcceptOutputs(), conf.GetAcceptOutputs())

	_, err = e.Invoke(ctx, &pulumirpc.InvokeRequest{Tok: "cloudflare:index/getZones:getZones"})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	_, err = e.Call(ctx, &pulumirpc.CallRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	_, err = e.Construct(ctx, &pulumirpc.ConstructRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	_, err = e.Parameterize(ctx, &pulumirpc.ParameterizeRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
}

// The schema has the properties that the official SDK sends and reads.
func TestSchemaFitsTheSDK(t *testing.T) {
	_, e := serve(t, hosted.Config{})
	resp, err := e.GetSchema(t.Context(), &pulumirpc.GetSchemaRequest{})
	require.NoError(t, err)
	type property struct {
		Type                 string
		Secret               bool
		WillReplaceOnChanges bool
	}
	var schema struct {
		Name, Version string
		Resources     map[string]struct {
			Properties, InputProperties map[string]property
			Required, RequiredInputs    []string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(resp.GetSchema()), &schema))
	require.Equal(t, "cloudflare", schema.Name)
	require.Equal(t, "5.49.1", schema.Version)
	require.Len(t, schema.Resources, 1)
	got := schema.Resources["cloudflare:index/workersSecret:WorkersSecret"]

	sdk := cloudflare.WorkersSecretArgs{}.ElementType()
	var names []string
	for field := range sdk.NumField() {
		names = append(names, sdk.Field(field).Tag.Get("pulumi"))
	}
	slices.Sort(names)
	require.Equal(t, names, got.Required)
	require.Equal(t, names, got.RequiredInputs)
	require.Equal(t, got.Properties, got.InputProperties)
	for _, name := range names {
		require.Equal(t, property{
			Type: "string", Secret: name == "secretText", WillReplaceOnChanges: name != "secretText",
		}, got.Properties[name], name)
	}
}

func TestProviderConfig(t *testing.T) {
	_, e := serve(t, hosted.Config{})
	version := resource.PropertyMap{"version": resource.NewProperty("5.49.1")}
	ok, err := e.CheckConfig(t.Context(), &pulumirpc.CheckRequest{News: wire(t, version)})
	require.NoError(t, err)
	require.Empty(t, ok.GetFailures())
	require.Equal(t, version, unwire(t, ok.GetInputs()))

	for _, key := range []resource.PropertyKey{"apiToken", "apiKey", "apiUserServiceKey"} {
		bad, err := e.CheckConfig(t.Context(), &pulumirpc.CheckRequest{
			News: wire(t, resource.PropertyMap{key: resource.NewProperty("canary-token")}),
		})
		require.NoError(t, err)
		require.Len(t, bad.GetFailures(), 1, "%s must not get into the state", key)
		require.NotContains(t, bad.GetFailures()[0].GetReason(), "canary")
	}
	diff, err := e.DiffConfig(t.Context(), &pulumirpc.DiffRequest{
		Olds: wire(t, resource.PropertyMap{"version": resource.NewProperty("5.0.0")}), News: wire(t, version),
	})
	require.NoError(t, err)
	require.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, diff.GetChanges())
}

func TestCheck(t *testing.T) {
	_, e := serve(t, hosted.Config{})
	check := func(change func(resource.PropertyMap)) *pulumirpc.CheckResponse {
		m := inputs(worker, "A", "canary")
		change(m)
		resp, err := e.Check(t.Context(), &pulumirpc.CheckRequest{Urn: urnBase + "x", News: wire(t, m)})
		require.NoError(t, err)
		return resp
	}
	good := check(func(resource.PropertyMap) {})
	require.Empty(t, good.GetFailures())
	require.Equal(t, inputs(worker, "A", "canary"), unwire(t, good.GetInputs()))

	plain := check(func(m resource.PropertyMap) { m["secretText"] = resource.NewProperty("canary") })
	require.Equal(t, inputs(worker, "A", "canary"), unwire(t, plain.GetInputs()), "the text is marked secret in any case")
	require.Empty(t, check(func(m resource.PropertyMap) {
		m["secretText"] = resource.MakeComputed(resource.NewProperty(""))
	}).GetFailures(), "a text known later is fine")

	for _, key := range []resource.PropertyKey{"accountId", "name", "scriptName", "secretText"} {
		for what, v := range map[string]resource.PropertyValue{
			"empty": resource.NewProperty(""), "null": resource.NewNullProperty(), "number": resource.NewProperty(7.0),
			"secret empty": resource.MakeSecret(resource.NewProperty("")),
		} {
			bad := check(func(m resource.PropertyMap) { m[key] = v }).GetFailures()
			require.Len(t, bad, 1, "%s %s", what, key)
			require.Equal(t, string(key), bad[0].GetProperty())
		}
	}
	long := check(func(m resource.PropertyMap) {
		m["secretText"] = resource.MakeSecret(resource.NewProperty(strings.Repeat("canary", 1000)))
	}).GetFailures()
	require.Len(t, long, 1)
	require.Equal(t, "has 6000 bytes, a Worker takes 5120", long[0].GetReason())
}

func TestDiff(t *testing.T) {
	_, e := serve(t, hosted.Config{})
	diff := func(olds, news resource.PropertyMap) *pulumirpc.DiffResponse {
		resp, err := e.Diff(t.Context(), &pulumirpc.DiffRequest{
			Urn: urnBase + "x", Id: "id", Olds: wire(t, olds), OldInputs: wire(t, olds), News: wire(t, news),
		})
		require.NoError(t, err)
		require.False(t, resp.GetDeleteBeforeReplace())
		return resp
	}
	base := inputs(worker, "A", "one")
	official := base.Copy()
	official["id"], official["__meta"] = resource.NewProperty("id"), resource.NewProperty("{}")
	require.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, diff(base, base).GetChanges())
	require.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, diff(official, base).GetChanges(), "a state of the official plugin")

	changed := diff(base, inputs(worker, "A", "two"))
	require.Equal(t, pulumirpc.DiffResponse_DIFF_SOME, changed.GetChanges())
	require.Equal(t, []string{"secretText"}, changed.GetDiffs())
	require.Empty(t, changed.GetReplaces(), "a changed text is an update in place")
	require.Equal(t, pulumirpc.PropertyDiff_UPDATE, changed.GetDetailedDiff()["secretText"].GetKind())

	without := base.Copy()
	delete(without, "secretText")
	require.Equal(t, []string{"secretText"}, diff(without, base).GetDiffs(), "imported by the official plugin: no text in state")

	for _, key := range []resource.PropertyKey{"accountId", "name", "scriptName"} {
		news := base.Copy()
		news[key] = resource.NewProperty("elsewhere")
		require.Equal(t, []string{string(key)}, diff(base, news).GetReplaces())
	}
}

func TestReadGivesOnlyWhatTheCallerHas(t *testing.T) {
	c := newCloud()
	c.set(worker, map[string]string{"A": "canary-value"})
	_, e := serve(t, hosted.Config{Writer: c, Sets: []hosted.Set{writeSet(worker, map[string]string{"A": "canary-value"})}})
	state := inputs(worker, "A", "old")
	resp, err := e.Read(t.Context(), &pulumirpc.ReadRequest{
		Urn: urnBase + "x", Id: idOf(worker, "A"), Properties: wire(t, state), Inputs: wire(t, state),
	})
	require.NoError(t, err)
	require.Equal(t, idOf(worker, "A"), resp.GetId())
	require.Equal(t, state, unwire(t, resp.GetProperties()))
	require.Equal(t, state, unwire(t, resp.GetInputs()))

	_, err = e.Read(t.Context(), &pulumirpc.ReadRequest{Urn: urnBase + "x", Id: account + "/" + worker + "/A"})
	require.ErrorContains(t, err, "cannot be read back")
	require.Zero(t, c.lists)
}

func TestDeleteLeavesTheSecretAndWarns(t *testing.T) {
	c := newCloud()
	c.set(worker, map[string]string{"A": "one"})
	var log lines
	s, e := serve(t, hosted.Config{Writer: c, Log: log.add, Sets: []hosted.Set{writeSet(worker, map[string]string{"A": "one"})}})
	_, err := e.Delete(t.Context(), &pulumirpc.DeleteRequest{
		Urn: urnBase + "x", Id: idOf(worker, "A"), Properties: wire(t, inputs(worker, "A", "one")),
	})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"A": "one"}, c.secretsOf(worker))
	require.Empty(t, c.written())
	require.Empty(t, s.Written())
	require.Contains(t, log.String(), `secret "A" leaves the state and stays at Worker "badges"`)
}

func TestOnlyWorkersSecretIsServed(t *testing.T) {
	_, e := serve(t, hosted.Config{})
	for _, u := range []string{"", "nonsense", "urn:pulumi:s::p::cloudflare:index/zone:Zone::z"} {
		_, err := e.Check(t.Context(), &pulumirpc.CheckRequest{Urn: u})
		require.ErrorContains(t, err, "only cloudflare:index/workersSecret:WorkersSecret is served here")
		_, err = e.Create(t.Context(), &pulumirpc.CreateRequest{Urn: u})
		require.Equal(t, codes.InvalidArgument, status.Code(err))
		_, err = e.Delete(t.Context(), &pulumirpc.DeleteRequest{Urn: u})
		require.Equal(t, codes.InvalidArgument, status.Code(err))
	}
}

// An empty value is legal on the wire and makes the SDK's decoder panic.
func TestAMalformedRequestDoesNotEndTheProcess(t *testing.T) {
	_, e := serve(t, hosted.Config{})
	bad := &structpb.Struct{Fields: map[string]*structpb.Value{"secretText": {}}}
	_, err := e.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urnBase + "x", Properties: bad})
	require.Equal(t, codes.Internal, status.Code(err))
	require.ErrorContains(t, err, "malformed request")
	for _, sig := range []string{"", "nonsense", "1b47061264138c4ac30d75fd1eb44270", "d0e6a833031e9bbcd3f4e8bde6ca49a4"} {
		odd, err := structpb.NewStruct(map[string]any{"secretText": map[string]any{"4dabf18193072939515e22adb298388d": sig}})
		require.NoError(t, err)
		_, err = e.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urnBase + "x", Properties: odd})
		require.Error(t, err)
	}
	_, err = e.GetPluginInfo(t.Context(), &emptypb.Empty{})
	require.NoError(t, err)
}
