package hosted

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// ofType gives the kind of the resource; any other type is refused.
func (p *provider) ofType(u string) (*resourceKind, error) {
	parsed, err := urn.Parse(u)
	if err == nil {
		if k := p.dialect.resource(func(r resourceKind) bool { return r.token == string(parsed.Type()) }); k != nil {
			return k, nil
		}
	}
	var tokens []string
	for _, r := range p.dialect.resources {
		tokens = append(tokens, r.token)
	}
	return nil, status.Errorf(codes.InvalidArgument, "serving a resource: only %s is served here", strings.Join(tokens, ", "))
}

// Check validates the inputs and marks the text secret.
func (p *provider) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	kind, err := p.ofType(req.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := decode(kind, "inputs", req.GetNews())
	if err != nil {
		return nil, err
	}
	inputs, err := news.seal()
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
	kind, err := p.ofType(req.GetUrn())
	if err != nil {
		return nil, err
	}
	olds, err := decode(kind, "state", req.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := decode(kind, "inputs", req.GetNews())
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
	for _, key := range kind.identity {
		was, wasShape := olds.get(key)
		is, isShape := news.get(key)
		if was != is || wasShape != text || isShape != text {
			changed(key, pulumirpc.PropertyDiff_UPDATE_REPLACE)
			resp.Replaces = append(resp.Replaces, key)
		}
	}
	for key, kind := range p.different(olds, news) {
		changed(key, kind)
	}
	slices.Sort(resp.Diffs)
	return resp, nil
}

// different are the paths of the values that an update would write, take over or
// drop. A name that the state does not have yet is an addition and no change: it
// is not written unless that is planned.
func (p *provider) different(olds, news properties) map[string]pulumirpc.PropertyDiff_Kind {
	was, wasShape := olds.values()
	is, isShape := news.values()
	if wasShape != text || isShape != text {
		return map[string]pulumirpc.PropertyDiff_Kind{news.kind.text: pulumirpc.PropertyDiff_UPDATE}
	}
	var again []string
	if want, err := news.complete(); err == nil && p.plan[want.holder] != nil {
		again = p.plan[want.holder].set.Again
	}
	out := map[string]pulumirpc.PropertyDiff_Kind{}
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, had := was[name]
		after, has := is[name]
		switch {
		case had && has && before.Equal(after) && !slices.Contains(again, name):
		case news.kind.all && !had:
			out[news.kind.text+"."+name] = pulumirpc.PropertyDiff_ADD
		case news.kind.all:
			out[news.kind.text+"."+name] = pulumirpc.PropertyDiff_UPDATE
		case has:
			out[news.kind.text] = pulumirpc.PropertyDiff_UPDATE
		}
	}
	return out
}

// Create brings the secret to the Worker, or takes it over, as planned.
func (p *provider) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	kind, err := p.ofType(req.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := decode(kind, "inputs", req.GetProperties())
	if err != nil {
		return nil, err
	}
	outs, err := news.outputs()
	if err != nil || req.GetPreview() {
		return &pulumirpc.CreateResponse{Properties: outs}, err
	}
	want, err := p.settle(ctx, news, nil)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CreateResponse{Id: want.id, Properties: outs}, nil
}

// Update brings a changed text to the Worker, as planned.
func (p *provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	kind, err := p.ofType(req.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := decode(kind, "inputs", req.GetNews())
	if err != nil {
		return nil, err
	}
	outs, err := news.outputs()
	if err != nil || req.GetPreview() {
		return &pulumirpc.UpdateResponse{Properties: outs}, err
	}
	if want, err := news.complete(); err == nil && want.id != req.GetId() {
		return nil, status.Errorf(codes.InvalidArgument, "updating secrets of %s: the id is another secret's", want.holder)
	}
	olds, err := decode(kind, "state", req.GetOlds())
	if err != nil {
		return nil, err
	}
	had, shape := olds.values()
	if shape != text {
		had = map[string]secrets.Value{}
	}
	want, err := p.settle(ctx, news, had)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(had)) {
		if _, stays := want.values[name]; !stays {
			p.leaves(name, want.holder)
		}
	}
	return &pulumirpc.UpdateResponse{Properties: outs}, nil
}

func (p *provider) settle(ctx context.Context, news properties, had map[string]secrets.Value) (wanted, error) {
	want, err := news.complete()
	if err != nil {
		return wanted{}, err
	}
	w := p.plan[want.holder]
	if w == nil {
		where := string(want.holder.Kind)
		if want.holder.Kind == Worker {
			where += " and account"
		}
		name := slices.Sorted(maps.Keys(want.values))[0]
		return wanted{}, refuse(want.holder, name, "nothing is planned for this "+where)
	}
	return want, w.settle(ctx, sessionOf(ctx), want.values, had)
}

// Read returns what the caller's state has: the API never gives a value back.
func (p *provider) Read(_ context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	kind, err := p.ofType(req.GetUrn())
	if err != nil {
		return nil, err
	}
	if len(req.GetProperties().GetFields()) == 0 {
		return nil, status.Error(codes.Unimplemented,
			"importing a "+string(kind.holds)+" secret: its value cannot be read back; declare it and let the plan take it over")
	}
	state, err := decode(kind, "state", req.GetProperties())
	if err != nil {
		return nil, err
	}
	inputs, err := decode(kind, "inputs", req.GetInputs())
	if err != nil {
		return nil, err
	}
	resp := &pulumirpc.ReadResponse{Id: req.GetId()}
	if resp.Properties, err = state.seal(); err != nil {
		return nil, err
	}
	resp.Inputs, err = inputs.seal()
	return resp, err
}

// Delete leaves the secret where it is: leaving the catalog, and destroy, never
// take a secret away from its holder.
func (p *provider) Delete(_ context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	kind, err := p.ofType(req.GetUrn())
	if err != nil {
		return nil, err
	}
	olds, err := decode(kind, "state", req.GetProperties())
	if err != nil {
		return nil, err
	}
	id, _ := olds.identity()
	holder, _ := kind.where(id)
	values, _ := olds.values()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		p.leaves(name, holder)
	}
	return &emptypb.Empty{}, nil
}

func (p *provider) leaves(name string, h Holder) {
	p.log(fmt.Sprintf("warning: secret %q leaves the state and stays at %s %q; delete it there if nothing needs it", name, h.Kind, h.Name))
}
