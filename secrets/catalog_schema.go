package secrets

import (
	_ "embed"
	"slices"
)

//go:embed catalog.schema.json
var schema []byte

// Schema returns the JSON Schema (2020-12) of a catalog, for editors. It is
// catalog.schema.json of this folder. What it cannot say, such as that a
// consumer's stack must exist, only Parse checks.
func Schema() []byte { return slices.Clone(schema) }
