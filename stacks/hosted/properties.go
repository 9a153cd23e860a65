package hosted

import (
	"crypto/md5" //nolint:gosec // not for security: the official provider's id
	"encoding/hex"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// The official properties. All but the text are the resource's identity.
const (
	propAccount = "accountId"
	propName    = "name"
	propScript  = "scriptName"
	propText    = "secretText"
)

func identity() []string { return []string{propAccount, propName, propScript} }

// shape says what a property holds.
type shape int

const (
	missing shape = iota
	text
	unknown // known only once another resource exists
	other
)

// properties is a resource's inputs or outputs as they came.
type properties struct{ m resource.PropertyMap }

func decode(what string, s *structpb.Struct) (properties, error) {
	m, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{
		Label: what, KeepUnknowns: true, KeepSecrets: true, KeepResources: true,
	})
	if err != nil {
		// The SDK's error is dropped: it may quote a value.
		return properties{}, status.Errorf(codes.InvalidArgument, "reading the %s: not in the engine's format", what)
	}
	return properties{m}, nil
}

// get unwraps a property of its secret mark.
func (p properties) get(key string) (string, shape) {
	v, ok := p.m[resource.PropertyKey(key)]
	for ok {
		switch {
		case v.IsSecret():
			v = v.SecretValue().Element
		case v.IsComputed():
			return "", unknown
		case v.IsString():
			return v.StringValue(), text
		case v.IsNull():
			return "", missing
		default:
			return "", other
		}
	}
	return "", missing
}

func (p properties) secret() (secrets.Value, shape) {
	s, kind := p.get(propText)
	return secrets.NewValue([]byte(s)), kind
}

// wanted is one secret at one Worker, complete.
type wanted struct {
	key   workerKey
	name  string
	value secrets.Value
}

// complete reads all four properties; a gap is an error that names it.
func (p properties) complete() (wanted, error) {
	got := map[string]string{}
	for _, key := range identity() {
		s, kind := p.get(key)
		if kind != text || s == "" {
			return wanted{}, status.Errorf(codes.InvalidArgument, "reading the secret's properties: %s is missing, empty or not known", key)
		}
		got[key] = s
	}
	value, kind := p.secret()
	if kind != text || value.IsZero() {
		return wanted{}, status.Errorf(codes.InvalidArgument, "reading secret %s of Worker %s: %s is missing, empty or not known",
			got[propName], got[propScript], propText)
	}
	return wanted{workerKey{got[propAccount], got[propScript]}, got[propName], value}, nil
}

// id is the official provider's id of the resource: a stack can move between
// the two without a change.
func (w wanted) id() string {
	sum := md5.Sum([]byte(w.key.account + "/" + w.key.worker + "/" + w.name)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// outputs are the four properties with the text marked secret, in the form
// that the caller brought them.
func (p properties) outputs() (*structpb.Struct, error) {
	out := resource.PropertyMap{}
	for _, key := range append(identity(), propText) {
		if v, ok := p.m[resource.PropertyKey(key)]; ok {
			out[resource.PropertyKey(key)] = v
		}
	}
	return seal(out)
}

// seal encodes properties with the text marked secret.
func seal(m resource.PropertyMap) (*structpb.Struct, error) {
	if v, ok := m[propText]; ok && !v.IsSecret() && !v.IsComputed() {
		m = m.Copy()
		m[propText] = resource.MakeSecret(v)
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
	for _, key := range identity() {
		if s, kind := p.get(key); kind != unknown && (kind != text || s == "") {
			bad[key] = "a text that is not empty is required"
		}
	}
	v, kind := p.secret()
	switch {
	case kind == unknown:
	case kind != text || v.IsZero():
		bad[propText] = "a text that is not empty is required"
	case v.Len() > maxText:
		bad[propText] = fmt.Sprintf("has %d bytes, a Worker takes %d", v.Len(), maxText)
	}
	return bad
}
