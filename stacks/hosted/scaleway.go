package hosted

import (
	_ "embed"
	"fmt"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

//go:embed schema_scaleway.json
var scalewaySchema string

// maxVariable is how many characters a variable of a container has at most; a
// value is taken for longer than it may be where a character has several bytes.
const maxVariable = 1000

// scalewayDialect serves the secret variables of a container, or of a namespace
// of containers, as one resource: the API replaces them as a whole. The holder
// is taken over and never made or removed here, so the id names it and is not
// Scaleway's.
func scalewayDialect() dialect {
	return dialect{
		name: Scaleway, version: "1.54.0", schema: scalewaySchema,
		credentials: []string{"accessKey", "secretKey"}, instead: "the key is read from pass",
		resources: []resourceKind{
			{
				token: "scaleway:containers/container:Container", holds: Container,
				identity: []string{"name", "namespaceId", "region"}, text: "secretEnvironmentVariables", all: true,
				where: func(id map[string]string) (Holder, string) {
					return Holder{Container, id["region"] + "/" + id["namespaceId"], id["name"]}, ""
				},
				id:      func(id map[string]string) string { return id["region"] + "/" + id["namespaceId"] + "/" + id["name"] },
				refuses: variableRefused,
			},
			{
				token: "scaleway:containers/namespace:Namespace", holds: Namespace,
				identity: []string{"name", "region"}, text: "secretEnvironmentVariables", all: true,
				where: func(id map[string]string) (Holder, string) {
					return Holder{Namespace, id["region"], id["name"]}, ""
				},
				id:      func(id map[string]string) string { return id["region"] + "/" + id["name"] },
				refuses: variableRefused,
			},
		},
	}
}

// variableRefused knows Scaleway's rules. A value that looks like one of its
// hashes could not be told from the hash.
func variableRefused(_ string, v secrets.Value) string {
	switch {
	case v.Len() > maxVariable:
		return fmt.Sprintf("has %d characters, a container's variable takes %d", v.Len(), maxVariable)
	case v.HasPrefix("$argon2id"):
		return "begins with $argon2id, which Scaleway takes for a hash"
	}
	return ""
}
