package scwprovider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

const defaultRegion = "fr-par"

type provider struct {
	pulumirpc.UnimplementedResourceProviderServer
	config Config
	types  map[string]resourceType
}

func newProvider(c Config) *provider {
	p := &provider{config: c, types: map[string]resourceType{}}
	for _, r := range resources() {
		p.types[r.token] = r
	}
	return p
}

func (p *provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: Version}, nil
}

func (p *provider) GetSchema(context.Context, *pulumirpc.GetSchemaRequest) (*pulumirpc.GetSchemaResponse, error) {
	raw, err := schemaJSON()
	if err != nil {
		return nil, fmt.Errorf("encoding schema: %w", err)
	}
	return &pulumirpc.GetSchemaResponse{Schema: string(raw)}, nil
}

func (p *provider) Attach(ctx context.Context, req *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	sessionOf(ctx).set(func(s *session) { s.engine = req.GetAddress() })
	return &emptypb.Empty{}, nil
}

// Cancel is sent at the end of every operation; others may go on.
func (p *provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (p *provider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

// DiffConfig never asks for new resources: a new key is an update.
func (p *provider) DiffConfig(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, err := plain(req.GetOldInputs())
	if err != nil {
		return nil, err
	}
	news, err := plain(req.GetNews())
	if err != nil {
		return nil, err
	}
	return diffResponse(resourceType{fields: providerFields()}, olds, news), nil
}

func (p *provider) Configure(ctx context.Context, req *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	args, err := plain(req.GetArgs())
	if err != nil {
		return nil, err
	}
	get := func(key, otherwise string) string {
		if v := args[resource.PropertyKey(key)]; v.IsString() && v.StringValue() != "" {
			return v.StringValue()
		}
		return otherwise
	}
	sessionOf(ctx).set(func(s *session) {
		s.settings = settings{secretKey: get("secretKey", ""), projectID: get("projectId", ""), region: get("region", defaultRegion)}
	})
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true}, nil
}

// warn tells the person at the CLI; a lost warning is no failure.
func (p *provider) warn(ctx context.Context, urn, message string) {
	_, address := sessionOf(ctx).get()
	if address == "" {
		return
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = pulumirpc.NewEngineClient(conn).Log(ctx, &pulumirpc.LogRequest{
		Severity: pulumirpc.LogSeverity_WARNING, Message: message, Urn: urn})
}

// typeOf finds the resource's type and a client as the connection configured it.
func (p *provider) typeOf(ctx context.Context, urn string) (resourceType, client, error) {
	token := string(resource.URN(urn).Type())
	r, ok := p.types[token]
	if !ok {
		return r, client{}, fmt.Errorf("type %s is not served by the sandbox", token)
	}
	s, _ := sessionOf(ctx).get()
	return r, client{config: p.config, settings: s}, nil
}

// place is a resource's region and the path of its collection or of itself.
func (r resourceType) place(region, id string) string {
	path := fmt.Sprintf(r.path, region)
	if id != "" {
		path += "/" + id
	}
	return path
}

// splitID takes the official plugin's form REGION/UUID apart.
func splitID(id string) (region, uuid string) {
	region, uuid, ok := strings.Cut(id, "/")
	if !ok {
		return defaultRegion, id
	}
	return region, uuid
}

// plain decodes properties without the marks of secrets.
func plain(s *structpb.Struct) (resource.PropertyMap, error) {
	m, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true, SkipNulls: true})
	if err != nil {
		return nil, fmt.Errorf("decoding properties: %w", err)
	}
	return m, nil
}

// marked decodes properties with the marks of secrets.
func marked(s *structpb.Struct) (resource.PropertyMap, error) {
	m, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, SkipNulls: true})
	if err != nil {
		return nil, fmt.Errorf("decoding properties: %w", err)
	}
	return m, nil
}

// encode marks as secret what the schema calls so and what came in as such.
func (r resourceType) encode(m, from resource.PropertyMap) (*structpb.Struct, error) {
	out := resource.PropertyMap{}
	for key, v := range m {
		if f, ok := r.field(string(key)); (ok && f.secret) || from[key].ContainsSecrets() {
			v = resource.MakeSecret(v)
		}
		out[key] = v
	}
	s, err := plugin.MarshalProperties(out, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	if err != nil {
		return nil, fmt.Errorf("encoding properties: %w", err)
	}
	return s, nil
}

func diffResponse(r resourceType, olds, news resource.PropertyMap) *pulumirpc.DiffResponse {
	out := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true,
		DetailedDiff: map[string]*pulumirpc.PropertyDiff{}}
	for _, name := range r.changed(olds, news) {
		f, _ := r.field(name)
		key := resource.PropertyKey(name)
		kind := pulumirpc.PropertyDiff_UPDATE
		switch {
		case !olds.HasValue(key):
			kind = pulumirpc.PropertyDiff_ADD
		case !news.HasValue(key):
			kind = pulumirpc.PropertyDiff_DELETE
		}
		if f.replace {
			kind++ // each kind is followed by its form with replacement
			out.Replaces = append(out.Replaces, name)
		}
		out.Changes = pulumirpc.DiffResponse_DIFF_SOME
		out.Diffs = append(out.Diffs, name)
		out.DetailedDiff[name] = &pulumirpc.PropertyDiff{Kind: kind, InputDiff: true}
	}
	return out
}

func (p *provider) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	r, c, err := p.typeOf(ctx, req.GetUrn())
	if err != nil {
		return nil, err
	}
	region, id := splitID(req.GetId())
	got, err := c.call(ctx, http.MethodDelete, r.place(region, id), nil)
	if err == nil {
		_, err = c.settle(ctx, r.place(region, id), got)
	}
	if err != nil && !errors.Is(err, errNotFound) {
		return nil, fmt.Errorf("deleting %s: %w", r.title, err)
	}
	return &emptypb.Empty{}, nil
}

// known are the names of the properties that a program may set.
func (r resourceType) known() []string {
	var names []string
	for _, f := range r.fields {
		if !f.output {
			names = append(names, f.name)
		}
	}
	slices.Sort(names)
	return names
}
