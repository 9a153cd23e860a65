package hosted

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// shape says what a property holds.
type shape int

const (
	missing shape = iota
	text
	unknown // known only once another resource exists
	other
)

// properties is a resource's inputs or outputs as they came.
type properties struct {
	m    resource.PropertyMap
	kind *resourceKind
}

func decode(kind *resourceKind, what string, s *structpb.Struct) (properties, error) {
	m, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{
		Label: what, KeepUnknowns: true, KeepSecrets: true, KeepResources: true,
	})
	if err != nil {
		// The SDK's error is dropped: it may quote a value.
		return properties{}, status.Errorf(codes.InvalidArgument, "reading the %s: not in the engine's format", what)
	}
	return properties{m, kind}, nil
}

// get unwraps a property of its secret mark.
func (p properties) get(key string) (string, shape) {
	v, ok := bare(p.m[resource.PropertyKey(key)])
	switch {
	case !ok:
		return "", missing
	case v.IsComputed():
		return "", unknown
	case v.IsString():
		return v.StringValue(), text
	}
	return "", other
}

// bare takes the secret marks off; false if nothing is there.
func bare(v resource.PropertyValue) (resource.PropertyValue, bool) {
	for v.IsSecret() {
		v = v.SecretValue().Element
	}
	return v, !v.IsNull()
}

// values are the secrets by name. Only a whole set has the shape text.
func (p properties) values() (map[string]secrets.Value, shape) {
	if !p.kind.all {
		id, _ := p.identity()
		_, name := p.kind.where(id)
		s, kind := p.get(p.kind.text)
		return map[string]secrets.Value{name: secrets.NewValue([]byte(s))}, kind
	}
	v, ok := bare(p.m[resource.PropertyKey(p.kind.text)])
	switch {
	case !ok:
		return nil, missing
	case v.IsComputed():
		return nil, unknown
	case !v.IsObject():
		return nil, other
	}
	out, got := map[string]secrets.Value{}, text
	for key, v := range v.ObjectValue() {
		switch v, ok := bare(v); {
		case ok && v.IsString():
			out[string(key)] = secrets.NewValue([]byte(v.StringValue()))
		case ok && v.IsComputed():
			got = unknown
		default:
			return nil, other
		}
	}
	return out, got
}

// identity are the properties that say where it is; the first that is missing,
// empty or not known is named.
func (p properties) identity() (id map[string]string, gap string) {
	id = map[string]string{}
	for _, key := range p.kind.identity {
		s, kind := p.get(key)
		if gap == "" && (kind != text || s == "") {
			gap = key
		}
		id[key] = s
	}
	return id, gap
}

// wanted is one resource, complete: values of one holder, by name.
type wanted struct {
	holder Holder
	id     string
	values map[string]secrets.Value
}

// complete reads all properties; a gap is an error that names it.
func (p properties) complete() (wanted, error) {
	id, gap := p.identity()
	if gap != "" {
		return wanted{}, status.Errorf(codes.InvalidArgument, "reading the secret's properties: %s is missing, empty or not known", gap)
	}
	holder, name := p.kind.where(id)
	values, kind := p.values()
	empty := kind != text || len(values) == 0
	for _, v := range values {
		empty = empty || v.IsZero()
	}
	if empty {
		what := "secrets"
		if name != "" {
			what = "secret " + name
		}
		return wanted{}, status.Errorf(codes.InvalidArgument, "reading %s of %s: %s is missing, empty or not known", what, holder, p.kind.text)
	}
	return wanted{holder, p.kind.id(id), values}, nil
}

// outputs are the official properties with the text marked secret, in the form
// that the caller brought them.
func (p properties) outputs() (*structpb.Struct, error) {
	out := resource.PropertyMap{}
	for _, key := range append(slices.Clone(p.kind.identity), p.kind.text) {
		if v, ok := p.m[resource.PropertyKey(key)]; ok {
			out[resource.PropertyKey(key)] = v
		}
	}
	return properties{out, p.kind}.seal()
}

// seal encodes properties with the text marked secret.
func (p properties) seal() (*structpb.Struct, error) {
	m, key := p.m, resource.PropertyKey(p.kind.text)
	if v, ok := m[key]; ok && !v.IsSecret() && !v.IsComputed() {
		m = m.Copy()
		m[key] = resource.MakeSecret(v)
	}
	s, err := plugin.MarshalProperties(m, plugin.MarshalOptions{
		Label: "result", KeepUnknowns: true, KeepSecrets: true, KeepResources: true,
	})
	if err != nil {
		return nil, status.Error(codes.Internal, "encoding the secret's properties failed")
	}
	return s, nil
}

// failures says what is wrong with inputs, by property.
func (p properties) failures() map[string]string {
	bad := map[string]string{}
	for _, key := range p.kind.identity {
		if s, kind := p.get(key); kind != unknown && (kind != text || s == "") {
			bad[key] = "a text that is not empty is required"
		}
	}
	values, kind := p.values()
	if kind == unknown {
		return bad
	}
	if kind != text || len(values) == 0 {
		bad[p.kind.text] = "a text that is not empty is required"
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		key := p.kind.text
		if p.kind.all {
			key += "." + name
		}
		if v := values[name]; v.IsZero() {
			bad[key] = "a text that is not empty is required"
		} else if why := p.kind.refuses(name, v); why != "" {
			bad[key] = why
		}
	}
	return bad
}
