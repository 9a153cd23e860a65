package hosted

import (
	"crypto/md5" //nolint:gosec // not for security: the official provider's id
	_ "embed"
	"encoding/hex"
	"fmt"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

//go:embed schema.json
var cloudflareSchema string

// Cloudflare's limits: secrets in one bulk request, bytes in one secret.
const (
	maxBulk = 100
	maxText = 5 * 1024
)

// cloudflareDialect serves a Worker's secret as a resource of its own. Id and
// properties are the official provider's: a stack can move between the two
// without a change.
func cloudflareDialect() dialect {
	return dialect{
		name: Cloudflare, version: "5.49.1", schema: cloudflareSchema,
		credentials: []string{"apiToken", "apiKey", "apiUserServiceKey"}, instead: "the token is read from pass",
		resources: []resourceKind{{
			token: "cloudflare:index/workersSecret:WorkersSecret", holds: Worker,
			identity: []string{"accountId", "name", "scriptName"}, text: "secretText", most: maxBulk,
			where: func(id map[string]string) (Holder, string) {
				return Holder{Worker, id["accountId"], id["scriptName"]}, id["name"]
			},
			id: func(id map[string]string) string {
				sum := md5.Sum([]byte(id["accountId"] + "/" + id["scriptName"] + "/" + id["name"])) //nolint:gosec // see the import
				return hex.EncodeToString(sum[:])
			},
			refuses: func(_ string, v secrets.Value) string {
				if v.Len() > maxText {
					return fmt.Sprintf("has %d bytes, a Worker takes %d", v.Len(), maxText)
				}
				return ""
			},
		}},
	}
}
