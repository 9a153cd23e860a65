package hosted

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// secretType is the one resource type that is served.
const secretType = "cloudflare:index/workersSecret:WorkersSecret"

func ofType(u string) error {
	parsed, err := urn.Parse(u)
	if err != nil || string(parsed.Type()) != secretType {
		return status.Errorf(codes.InvalidArgument, "serving a resource: only %s is served here", secretType)
	}
	return nil
}

// Check validates the inputs and marks the text secret.
func (p *provider) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	if err := ofType(req.GetUrn()); err != nil {
		return nil, err
	}
	news, err := decode("inputs", req.GetNews())
	if err != nil {
		return nil, err
	}
	inputs, err := seal(news.m)
	if err != nil {
		return nil, err
	}
	resp := &pulumirpc.CheckResponse{Inputs: inputs}
	bad := news.failures()
	for _, key := range slices.Sorted(maps.Keys(bad)) {
		resp.Failures = append(resp.Failures, &pulumirpc.CheckFailure{Property: key, Reason: bad[key]})
	}
	return resp, nil
}

// Diff updates a changed text in place; a changed identity is another resource.
func (p *provider) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	if err := ofType(req.GetUrn()); err != nil {
		return nil, err
	}
	olds, err := decode("state", req.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := decode("inputs", req.GetNews())
	if err != nil {
		return nil, err
	}
	resp := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true, DetailedDiff: map[string]*pulumirpc.PropertyDiff{},
	}
	changed := func(key string, kind pulumirpc.PropertyDiff_Kind) {
		resp.Changes = pulumirpc.DiffResponse_DIFF_SOME
		resp.Diffs = append(resp.Diffs, key)
		resp.DetailedDiff[key] = &pulumirpc.PropertyDiff{Kind: kind}
	}
	for _, key := range identity() {
		was, wasShape := olds.get(key)
		is, isShape := news.get(key)
		if was != is || wasShape != text || isShape != text {
			changed(key, pulumirpc.PropertyDiff_UPDATE_REPLACE)
			resp.Replaces = append(resp.Replaces, key)
		}
	}
	was, wasShape := olds.secret()
	is, isShape := news.secret()
	if !was.Equal(is) || wasShape != text || isShape != text || p.again(news) {
		changed(propText, pulumirpc.PropertyDiff_UPDATE)
	}
	return resp, nil
}

// again reports whether the secret is planned to be written anew.
func (p *provider) again(news properties) bool {
	want, err := news.complete()
	if err != nil {
		return false
	}
	w := p.plan[want.key]
	return w != nil && slices.Contains(w.set.Again, want.name)
}

// Create brings the secret to the Worker, or takes it over, as planned.
func (p *provider) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	if err := ofType(req.GetUrn()); err != nil {
		return nil, err
	}
	news, err := decode("inputs", req.GetProperties())
	if err != nil {
		return nil, err
	}
	outs, err := news.outputs()
	if err != nil || req.GetPreview() {
		return &pulumirpc.CreateResponse{Properties: outs}, err
	}
	want, err := p.settle(ctx, news, true)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CreateResponse{Id: want.id(), Properties: outs}, nil
}

// Update brings a changed text to the Worker, as planned.
func (p *provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	if err := ofType(req.GetUrn()); err != nil {
		return nil, err
	}
	news, err := decode("inputs", req.GetNews())
	if err != nil {
		return nil, err
	}
	outs, err := news.outputs()
	if err != nil || req.GetPreview() {
		return &pulumirpc.UpdateResponse{Properties: outs}, err
	}
	if want, err := news.complete(); err == nil && want.id() != req.GetId() {
		return nil, status.Errorf(codes.InvalidArgument, "updating secret %s of Worker %s: the id is another secret's", want.name, want.key.worker)
	}
	if _, err := p.settle(ctx, news, false); err != nil {
		return nil, err
	}
	return &pulumirpc.UpdateResponse{Properties: outs}, nil
}

func (p *provider) settle(ctx context.Context, news properties, create bool) (wanted, error) {
	want, err := news.complete()
	if err != nil {
		return wanted{}, err
	}
	w := p.plan[want.key]
	if w == nil {
		return wanted{}, refuse(want.key.worker, want.name, "nothing is planned for this Worker and account")
	}
	return want, w.settle(ctx, sessionOf(ctx), want.name, want.value, create)
}

// Read returns what the caller's state has: the API never gives a value back.
func (p *provider) Read(_ context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	if err := ofType(req.GetUrn()); err != nil {
		return nil, err
	}
	if len(req.GetProperties().GetFields()) == 0 {
		return nil, status.Error(codes.Unimplemented,
			"importing a Worker secret: its value cannot be read back; declare it and let the plan take it over")
	}
	state, err := decode("state", req.GetProperties())
	if err != nil {
		return nil, err
	}
	inputs, err := decode("inputs", req.GetInputs())
	if err != nil {
		return nil, err
	}
	resp := &pulumirpc.ReadResponse{Id: req.GetId()}
	if resp.Properties, err = seal(state.m); err != nil {
		return nil, err
	}
	resp.Inputs, err = seal(inputs.m)
	return resp, err
}

// Delete leaves the secret where it is: leaving the catalog, and destroy, never
// take a secret away from a Worker.
func (p *provider) Delete(_ context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	if err := ofType(req.GetUrn()); err != nil {
		return nil, err
	}
	olds, err := decode("state", req.GetProperties())
	if err != nil {
		return nil, err
	}
	name, _ := olds.get(propName)
	script, _ := olds.get(propScript)
	p.log(fmt.Sprintf("warning: secret %q leaves the state and stays at Worker %q; delete it there if nothing needs it", name, script))
	return &emptypb.Empty{}, nil
}
