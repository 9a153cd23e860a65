package scwprovider

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/alexedwards/argon2id"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

const (
	// The service's limits for an environment variable.
	maxEnvironmentKey   = 100
	maxEnvironmentValue = 1000
	// hashPrefix starts what the service gives back for a secret variable. As
	// in the official plugin, a secret that begins so is never sent.
	hashPrefix = "$argon2id"
)

// createBody is what a POST sends.
func (r resourceType) createBody(inputs resource.PropertyMap) map[string]any {
	body := map[string]any{}
	for _, f := range r.fields {
		if v, ok := inputs[resource.PropertyKey(f.name)]; ok && f.wire != "" && !f.output {
			body[f.wire] = toWire(f, v)
		}
	}
	return body
}

// changeBody is what a PATCH sends: the changed fields only. Of secret
// variables every kept key goes along, empty where its value did not change,
// because the service drops what is not named.
func (r resourceType) changeBody(olds, news resource.PropertyMap) map[string]any {
	body := map[string]any{}
	for _, name := range r.changed(olds, news) {
		f, _ := r.field(name)
		if f.wire == "" || f.createOnly {
			continue
		}
		key := resource.PropertyKey(name)
		switch v, ok := news[key]; {
		case f.secret:
			body[f.wire] = secretsPatch(olds[key], news[key])
		case ok:
			body[patchName(f)] = toWire(f, v)
		default:
			body[patchName(f)] = empty(f)
		}
	}
	return body
}

// patchName covers the one field that v1 spells differently in a change.
func patchName(f field) string {
	if f.wire == "https_connections_only" {
		return "https_connection_only"
	}
	return f.wire
}

func secretsPatch(olds, news resource.PropertyValue) map[string]any {
	before, after := stringMap(olds), stringMap(news)
	patch := map[string]any{}
	for k, v := range after {
		if old, ok := before[k]; (ok && old == v) || strings.HasPrefix(v, hashPrefix) {
			v = ""
		}
		patch[k] = v
	}
	return patch
}

func empty(f field) any {
	switch f.kind {
	case dict:
		return map[string]any{}
	case list:
		return []any{}
	case boolean:
		return false
	case integer:
		return 0
	default:
		return ""
	}
}

// changed names the fields whose inputs differ, in the order of the schema.
func (r resourceType) changed(olds, news resource.PropertyMap) []string {
	var names []string
	for _, f := range r.fields {
		key := resource.PropertyKey(f.name)
		if !f.output && !reflect.DeepEqual(olds[key].Mappable(), news[key].Mappable()) {
			names = append(names, f.name)
		}
	}
	return names
}

// toWire gives numbers as whole ones, which the service insists on.
func toWire(f field, v resource.PropertyValue) any {
	switch {
	case f.regional && v.IsString():
		_, id := splitID(v.StringValue())
		return id
	case f.kind == seconds && v.IsNumber():
		return fmt.Sprintf("%ds", int64(v.NumberValue()))
	case f.kind == integer && v.IsNumber():
		return int64(v.NumberValue())
	default:
		return v.Mappable()
	}
}

// outputs makes the resource's state of the service's answer and the inputs.
func (r resourceType) outputs(region string, inputs resource.PropertyMap, got map[string]any) resource.PropertyMap {
	state := resource.PropertyMap{}
	for _, f := range r.fields {
		key := resource.PropertyKey(f.name)
		given, has := inputs[key]
		answered, said := got[f.wire]
		switch {
		case f.name == "region":
			state[key] = resource.NewStringProperty(region)
		case f.secret || f.wire == "":
			if has {
				state[key] = given
			}
		case said && answered != nil:
			state[key] = fromWire(f, region, answered)
		}
	}
	return state
}

func fromWire(f field, region string, v any) resource.PropertyValue {
	if s, ok := v.(string); ok && f.regional && s != "" {
		return resource.NewStringProperty(region + "/" + s)
	}
	if s, ok := v.(string); ok && f.kind == seconds {
		var n int64
		if _, err := fmt.Sscanf(s, "%ds", &n); err == nil {
			return resource.NewNumberProperty(float64(n))
		}
	}
	return resource.NewPropertyValue(v)
}

// refreshed compares what the state says of the secret variables with the
// hashes that the service gives back, as the official plugin does: what does
// not match is shown as the hash, so that the next preview has a difference.
func refreshed(state resource.PropertyValue, hashes any) (resource.PropertyValue, error) {
	known, out := stringMap(state), resource.PropertyMap{}
	list, _ := hashes.(map[string]any)
	for key, h := range list {
		hash, _ := h.(string)
		match := false
		if value, ok := known[key]; ok && hash != "" {
			var err error
			if match, err = argon2id.ComparePasswordAndHash(value, hash); err != nil {
				return resource.PropertyValue{}, fmt.Errorf("comparing secret variable %s: %w", key, err)
			}
		}
		if match {
			hash = known[key]
		}
		out[resource.PropertyKey(key)] = resource.NewStringProperty(hash)
	}
	return resource.NewObjectProperty(out), nil
}

func stringMap(v resource.PropertyValue) map[string]string {
	out := map[string]string{}
	if !v.IsObject() {
		return out
	}
	for k, e := range v.ObjectValue() {
		if e.IsString() {
			out[string(k)] = e.StringValue()
		}
	}
	return out
}
