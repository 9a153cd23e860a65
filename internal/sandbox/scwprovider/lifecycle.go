package scwprovider

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// Check refuses what the service would refuse, before anything is changed.
func (p *provider) Check(ctx context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	r, _, err := p.typeOf(ctx, req.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := plain(req.GetNews())
	if err != nil {
		return nil, err
	}
	from, err := marked(req.GetNews())
	if err != nil {
		return nil, err
	}
	olds, err := plain(req.GetOlds())
	if err != nil {
		return nil, err
	}
	r.complete(news, olds, req)
	inputs, err := r.encode(news, from)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: r.failures(news)}, nil
}

// complete fills in defaults and makes up a name where the program gives none.
func (r resourceType) complete(news, olds resource.PropertyMap, req *pulumirpc.CheckRequest) {
	for _, f := range r.fields {
		if key := resource.PropertyKey(f.name); f.initial != nil && !news.HasValue(key) {
			news[key] = resource.NewPropertyValue(f.initial)
		}
	}
	switch {
	case news.HasValue("name"):
	case olds.HasValue("name"):
		news["name"] = olds["name"]
	default:
		suffix := hex.EncodeToString(req.GetRandomSeed())
		news["name"] = resource.NewStringProperty(resource.URN(req.GetUrn()).Name() + "-" + suffix[:min(7, len(suffix))])
	}
}

func (r resourceType) failures(news resource.PropertyMap) []*pulumirpc.CheckFailure {
	var out []*pulumirpc.CheckFailure
	fail := func(name, format string, args ...any) {
		out = append(out, &pulumirpc.CheckFailure{Property: name, Reason: fmt.Sprintf(format, args...)})
	}
	for key := range news {
		if f, ok := r.field(string(key)); !ok || f.output {
			fail(string(key), "no such property; there are %s", strings.Join(r.known(), ", "))
		}
	}
	for _, f := range r.fields {
		key := resource.PropertyKey(f.name)
		if f.required && !news.HasValue(key) {
			fail(f.name, "missing")
		}
		if f.kind != dict {
			continue
		}
		for variable, value := range stringMap(news[key]) {
			if len(variable) > maxEnvironmentKey || len(value) > maxEnvironmentValue {
				fail(f.name, "%s: the service takes names up to %d and values up to %d characters, this has %d and %d",
					variable, maxEnvironmentKey, maxEnvironmentValue, len(variable), len(value))
			}
		}
	}
	return out
}

// Diff compares inputs: what the service fills in is no difference.
func (p *provider) Diff(ctx context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	r, _, err := p.typeOf(ctx, req.GetUrn())
	if err != nil {
		return nil, err
	}
	olds, err := plain(req.GetOldInputs())
	if err != nil {
		return nil, err
	}
	news, err := plain(req.GetNews())
	if err != nil {
		return nil, err
	}
	return diffResponse(r, olds, news), nil
}

// Create posts the resource and waits for its status to settle.
func (p *provider) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	r, c, err := p.typeOf(ctx, req.GetUrn())
	if err != nil {
		return nil, err
	}
	inputs, err := plain(req.GetProperties())
	if err != nil {
		return nil, err
	}
	from, err := marked(req.GetProperties())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		state, err := r.encode(r.planned(inputs, nil), from)
		return &pulumirpc.CreateResponse{Properties: state}, err
	}
	region := c.region(inputs)
	body := r.createBody(inputs)
	if _, takes := r.field("projectId"); takes && body["project_id"] == nil && c.settings.projectID != "" {
		body["project_id"] = c.settings.projectID
	}
	got, err := c.call(ctx, http.MethodPost, r.place(region, ""), body)
	if err != nil {
		return nil, fmt.Errorf("creating: %w", err)
	}
	id, _ := got["id"].(string)
	if got, err = c.settle(ctx, r.place(region, id), got); err != nil {
		return nil, fmt.Errorf("creating: %w", err)
	}
	p.complain(ctx, req.GetUrn(), got)
	state, err := r.encode(r.outputs(region, inputs, got), from)
	return &pulumirpc.CreateResponse{Id: region + "/" + id, Properties: state}, err
}

// Update patches what changed and waits for the status to settle. A status of
// error is a warning, not a failure, as with the official plugin: what runs
// then is for the caller to find out.
func (p *provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	r, c, err := p.typeOf(ctx, req.GetUrn())
	if err != nil {
		return nil, err
	}
	olds, err := plain(req.GetOldInputs())
	if err != nil {
		return nil, err
	}
	news, err := plain(req.GetNews())
	if err != nil {
		return nil, err
	}
	from, err := marked(req.GetNews())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		state, err := plain(req.GetOlds())
		if err != nil {
			return nil, err
		}
		preview, err := r.encode(r.planned(news, state), from)
		return &pulumirpc.UpdateResponse{Properties: preview}, err
	}
	region, id := splitID(req.GetId())
	got, err := c.call(ctx, http.MethodPatch, r.place(region, id), r.changeBody(olds, news))
	if err == nil {
		got, err = c.settle(ctx, r.place(region, id), got)
	}
	if err != nil {
		return nil, fmt.Errorf("updating %s: %w", req.GetId(), err)
	}
	p.complain(ctx, req.GetUrn(), got)
	state, err := r.encode(r.outputs(region, news, got), from)
	return &pulumirpc.UpdateResponse{Properties: state}, err
}

// Read is the refresh.
func (p *provider) Read(ctx context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	r, c, err := p.typeOf(ctx, req.GetUrn())
	if err != nil {
		return nil, err
	}
	inputs, err := plain(req.GetInputs())
	if err != nil {
		return nil, err
	}
	from, err := marked(req.GetInputs())
	if err != nil {
		return nil, err
	}
	region, id := splitID(req.GetId())
	got, err := c.call(ctx, http.MethodGet, r.place(region, id), nil)
	if errors.Is(err, errNotFound) {
		return &pulumirpc.ReadResponse{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", req.GetId(), err)
	}
	p.complain(ctx, req.GetUrn(), got)
	state := r.outputs(region, inputs, got)
	if hashes, ok := got["secret_environment_variables"]; ok && hashes != nil {
		if state["secretEnvironmentVariables"], err = refreshed(state["secretEnvironmentVariables"], hashes); err != nil {
			return nil, err
		}
	}
	for key := range inputs {
		if v, ok := state[key]; ok {
			inputs[key] = v
		}
	}
	out := &pulumirpc.ReadResponse{Id: req.GetId()}
	if out.Properties, err = r.encode(state, from); err != nil {
		return nil, err
	}
	out.Inputs, err = r.encode(inputs, from)
	return out, err
}

// complain warns of a resource that is not ready.
func (p *provider) complain(ctx context.Context, urn string, got map[string]any) {
	if status := got["status"]; status != nil && status != "ready" {
		p.warn(ctx, urn, fmt.Sprintf("status is %v: %v", status, got["error_message"]))
	}
}

func (c client) region(inputs resource.PropertyMap) string {
	if v := inputs["region"]; v.IsString() {
		return v.StringValue()
	}
	return c.settings.region
}

// planned is the state that a preview shows: what the service fills in is as
// before, or not known yet.
func (r resourceType) planned(inputs, before resource.PropertyMap) resource.PropertyMap {
	state := inputs.Copy()
	for _, f := range r.fields {
		key := resource.PropertyKey(f.name)
		if state.HasValue(key) || (!f.output && f.name != "region") {
			continue
		}
		state[key] = resource.MakeComputed(resource.NewStringProperty(""))
		if v, ok := before[key]; ok {
			state[key] = v
		}
	}
	return state
}
