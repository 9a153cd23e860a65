package scwprovider

import "encoding/json"

// Version is the version of pulumi-scaleway whose types are served.
const Version = "1.54.0"

// schemaJSON is the package schema, which YAML programs are checked against.
func schemaJSON() ([]byte, error) {
	types := map[string]any{}
	for _, r := range resources() {
		inputs := properties(r.fields, false)
		outputs := properties(r.fields, true)
		types[r.token] = map[string]any{
			"description": r.title, "properties": outputs, "inputProperties": inputs, "requiredInputs": required(r.fields),
		}
	}
	settings := properties(providerFields(), false)
	return json.Marshal(map[string]any{
		"name": "scaleway", "version": Version, "description": "The part of pulumi-scaleway that the sandbox serves.",
		"meta":      map[string]any{"moduleFormat": "(.*)(?:/[^/]*)"},
		"config":    map[string]any{"variables": settings},
		"provider":  map[string]any{"properties": settings, "inputProperties": settings},
		"resources": types,
	})
}

func required(fields []field) []string {
	names := []string{}
	for _, f := range fields {
		if f.required {
			names = append(names, f.name)
		}
	}
	return names
}

func properties(fields []field, outputs bool) map[string]any {
	out := map[string]any{}
	for _, f := range fields {
		if f.output && !outputs {
			continue
		}
		out[f.name] = property(f)
	}
	return out
}

func property(f field) map[string]any {
	p := map[string]any{"description": f.doc}
	switch f.kind {
	case list:
		p["type"], p["items"] = "array", map[string]any{"type": "string"}
	case dict:
		p["type"], p["additionalProperties"] = "object", map[string]any{"type": "string"}
	case seconds:
		p["type"] = "integer"
	default:
		p["type"] = string(f.kind)
	}
	if f.secret {
		p["secret"] = true
	}
	if f.replace {
		p["willReplaceOnChanges"] = true
	}
	return p
}
