package hosted

import (
	"context"
	"slices"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

// provider answers the engine. What it does not name (Parameterize, Construct,
// Call, Invoke, List, GetMapping) is unimplemented.
type provider struct {
	pulumirpc.UnimplementedResourceProviderServer
	dialect dialect
	plan    plan
	log     func(string)
}

// Handshake says what the provider takes part in.
func (p *provider) Handshake(context.Context, *pulumirpc.ProviderHandshakeRequest) (*pulumirpc.ProviderHandshakeResponse, error) {
	return &pulumirpc.ProviderHandshakeResponse{AcceptSecrets: true, AcceptResources: true}, nil
}

// Attach tells the engine's address, which is not needed here.
func (p *provider) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// GetPluginInfo names the version of the official plugin.
func (p *provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: p.dialect.version}, nil
}

// GetSchema describes the resources, as the official schema does.
func (p *provider) GetSchema(context.Context, *pulumirpc.GetSchemaRequest) (*pulumirpc.GetSchemaResponse, error) {
	return &pulumirpc.GetSchemaResponse{Schema: p.dialect.schema}, nil
}

// CheckConfig refuses provider credentials.
func (p *provider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	resp := &pulumirpc.CheckResponse{Inputs: req.GetNews()}
	for key := range req.GetNews().GetFields() {
		if slices.Contains(p.dialect.credentials, key) {
			resp.Failures = append(resp.Failures, &pulumirpc.CheckFailure{
				Property: key,
				Reason:   "a credential in the config would stay in the state: remove " + string(p.dialect.name) + ":" + key + ", " + p.dialect.instead,
			})
		}
	}
	return resp, nil
}

// DiffConfig never replaces or changes anything: no resource depends on how the
// provider is configured.
func (p *provider) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
}

// Configure repeats what Handshake says, for engines that do not call it.
func (p *provider) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, AcceptResources: true, SupportsPreview: true}, nil
}

// Cancel stops writes of this connection that have not started. The engine also
// sends it at the normal end.
func (p *provider) Cancel(ctx context.Context, _ *emptypb.Empty) (*emptypb.Empty, error) {
	sessionOf(ctx).canceled.Store(true)
	return &emptypb.Empty{}, nil
}
