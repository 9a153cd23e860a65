package secrets_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func schemaDocument(t *testing.T) map[string]any {
	t.Helper()
	var document map[string]any
	require.NoError(t, json.Unmarshal(secrets.Schema(), &document))
	return document
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(secrets.Schema()))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("catalog.schema.json", document))
	compiled, err := compiler.Compile("catalog.schema.json")
	require.NoError(t, err, "the schema is no valid schema")
	return compiled
}

// fits validates a catalog as an editor would.
func fits(t *testing.T, schema *jsonschema.Schema, catalog string) error {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(catalog))
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return schema.Validate(document)
}

func TestSchemaAcceptsWhatParseAccepts(t *testing.T) {
	schema := compiledSchema(t)
	own, err := os.ReadFile("catalog.yaml")
	require.NoError(t, err)
	require.NoError(t, fits(t, schema, string(own)))
	require.NoError(t, fits(t, schema, small))
	for _, c := range [][2]string{
		{"grace: 0", "grace: '0'"}, {"maxAge: 90d", "maxAge: 30m"}, {"read: raw", "read: line"}, {"kind: pass", "kind: pass, name: p"},
		{"{kind: pass, probe: {kind: exact, by: pass}}", "{kind: pass, reads: each-run, probe: {kind: configured, by: pass}}"},
		{"{kind: pass, probe: {kind: exact, by: pass}}", "{kind: pass, probe: {kind: exact, by: environ, pidFile: /x, variables: {A: id, B: secret}}}"},
		{"covers: [team]", "covers: [team]\n  recipients: ['0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567', '0x0123456789abcdef', 'Ada <ada@example.com>']"},
		{"declared: true", "declared: true, providers: hosted, backend: 'file:///x'"}, {"stack: prod", "stack: '*', declared: false, passphrase: a/b"},
		{"    variables: {KEY: team/key/secret}\n", ""}, {"url: s3://bucket?region=fr-par", "url: file:///var/state"},
		{"path: team/account", "path: team/account\n    title: Account"}, {"{killsOld: true}", "{url: 'http://x/y', issue: [a], retire: [b]}"},
		{"  accessKey: team/key/id\n  secretKey: team/key/secret\nservices", "  secretKey: team/key/secret\n  accessKey: team/key/id\nservices"},
	} {
		_, err := parseSmall(t, c[0], c[1])
		assert.NoError(t, err, c[1])
		assert.NoError(t, fits(t, schema, strings.Replace(small, c[0], c[1], 1)), c[1])
	}
	require.True(t, strings.HasPrefix(string(own), "# yaml-language-server: $schema=catalog.schema.json\n"))
}

// The schema knows the mistakes that a form can have; what needs the whole
// catalog is left to Parse.
func TestSchemaRefuses(t *testing.T) {
	schema := compiledSchema(t)
	for _, c := range [][2]string{
		{"    service: cloudflare\n", "    service: cloudflare\n    owner: me\n"}, {"version: 1", "version: 2"},
		{"maxAge: 90d", "maxAge: 90"}, {"kind: worker", "kind: lambda"}, {"        worker: badges\n", ""},
		{"steps: [Set it.], ", ""}, {"by: attest", "by: login"}, {"by: attest", "by: hash"}, {"by: attest", "by: environ"}, {"{kind: pass, ", "{kind: pass, reads: once, "}, {"{kind: backend, ", "{kind: backend, reads: each-run, "}, {"kind: exact, by: attest", "kind: configured, by: attest"}, {"by: attest", "by: attest, pidFile: run"}, {", badUrl: 'https://b.example'", ""},
		{"{name: edge, declared: true}", "{name: edge, declared: true, dir: x}"}, {"{name: edge, declared: true}", "{name: edge}"},
		{"path: team/cf", "path: ../cf"}, {"read: raw", "read: all"}, {"[team]", "[team]\n  recipients: ['0xDEADBEEF']"}, {"[team]", "[]"}, {"    service: manual\n", ""},
	} {
		require.Contains(t, small, c[0])
		assert.Error(t, fits(t, schema, strings.Replace(small, c[0], c[1], 1)), "%s -> %s", c[0], c[1])
	}
}

// Every key of the Go types is in the schema with a description, and no other.
func TestSchemaHasTheKeysOfTheTypes(t *testing.T) {
	document := schemaDocument(t)
	seen := map[string]bool{}
	checkType(t, document, document, reflect.TypeFor[secrets.Catalog](), seen)
	require.Len(t, seen, 18, "types reached")
}

func checkType(t *testing.T, document, object map[string]any, goType reflect.Type, seen map[string]bool) {
	t.Helper()
	if seen[goType.Name()] {
		return
	}
	seen[goType.Name()] = true
	require.NotEmpty(t, object["description"], goType.Name())
	require.Equal(t, false, object["additionalProperties"], goType.Name())
	properties, ok := object["properties"].(map[string]any)
	require.True(t, ok, goType.Name())
	fields := slices.DeleteFunc(reflect.VisibleFields(goType), func(f reflect.StructField) bool { return !f.IsExported() })
	require.Len(t, properties, len(fields), goType.Name())
	for _, field := range fields {
		key := field.Tag.Get("yaml")
		property, ok := properties[key].(map[string]any)
		require.True(t, ok, "%s.%s", goType.Name(), key)
		element := field.Type
		if element.Kind() == reflect.Slice {
			element = element.Elem()
		}
		target := resolve(document, property)
		require.NotEmpty(t, target["description"], "%s.%s", goType.Name(), key)
		if items, ok := target["items"].(map[string]any); ok {
			target = resolve(document, items)
		}
		if element.Kind() == reflect.Struct {
			checkType(t, document, target, element, seen)
		}
	}
}

// resolve follows a $ref; what stands beside it counts.
func resolve(document, property map[string]any) map[string]any {
	out := map[string]any{}
	if ref, ok := property["$ref"].(string); ok {
		definitions := document["$defs"].(map[string]any)
		for k, v := range definitions[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any) {
			out[k] = v
		}
	}
	for k, v := range property {
		out[k] = v
	}
	return out
}

// Words that only some places may hold are the same for the schema and for
// Parse: each of the schema's is accepted or its message lists it.
func TestSchemaHasTheWordsOfTheErrors(t *testing.T) {
	definitions := schemaDocument(t)["$defs"].(map[string]any)
	for _, c := range []struct{ definition, key, old, new string }{
		{"Secret", "service", "service: manual", "service: none"},
		{"Consumer", "kind", "kind: worker", "kind: none"},
		{"Probe", "kind", "kind: exact, by: attest", "kind: none, by: attest"},
		{"Stack", "providers", "declared: true", "declared: true, providers: none"},
	} {
		properties := definitions[c.definition].(map[string]any)["properties"].(map[string]any)
		var words []string
		for _, word := range properties[c.key].(map[string]any)["enum"].([]any) {
			words = append(words, word.(string))
		}
		_, err := parseSmall(t, c.old, c.new)
		require.ErrorContains(t, err, strings.Join(words, ", "))
		require.Regexp(t, "expected (one of )?"+strings.Join(words, ", ")+"$", err.Error())
	}
}
