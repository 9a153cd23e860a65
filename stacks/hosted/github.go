package hosted

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

//go:embed schema_github.json
var githubSchema string

// maxActions is the longest Actions secret, in bytes.
const maxActions = 48 * 1024

// actionsName is the form of an Actions secret's name. GitHub takes lower case
// too and shows upper case, which would look like another name here.
var actionsName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// githubDialect serves a secret of GitHub Actions as a resource of its own. A
// repository is OWNER/NAME, and an organization is named: there is no provider
// config that could say whose they are.
func githubDialect() dialect {
	kind := func(token string, k Kind, where func(id map[string]string) Holder, identity ...string) resourceKind {
		return resourceKind{
			token: "github:index/" + token, holds: k, identity: append(identity, "secretName"), text: "value",
			where: func(id map[string]string) (Holder, string) { return where(id), id["secretName"] },
			id: func(id map[string]string) string {
				var parts []string
				for _, key := range append(identity, "secretName") {
					parts = append(parts, id[key])
				}
				return strings.Join(parts, ":")
			},
			refuses: actionsRefused,
		}
	}
	return dialect{
		// No SDK of it is used, so no version is asked for.
		name: GitHub, version: "6.13.0", schema: githubSchema,
		credentials: []string{"token", "appAuth"}, instead: "the token is read from pass",
		resources: []resourceKind{
			kind("actionsSecret:ActionsSecret", Repository, func(id map[string]string) Holder {
				return Holder{Repository, "", id["repository"]}
			}, "repository"),
			kind("actionsEnvironmentSecret:ActionsEnvironmentSecret", Environment, func(id map[string]string) Holder {
				return Holder{Environment, id["repository"], id["environment"]}
			}, "environment", "repository"),
			kind("actionsOrganizationSecret:ActionsOrganizationSecret", Organization, func(id map[string]string) Holder {
				return Holder{Organization, "", id["organization"]}
			}, "organization"),
		},
	}
}

func actionsRefused(name string, v secrets.Value) string {
	switch {
	case !actionsName.MatchString(name) || strings.HasPrefix(name, "GITHUB_"):
		return "is no name of an Actions secret: capital letters, digits and _, not beginning with a digit or GITHUB_"
	case v.Len() > maxActions:
		return fmt.Sprintf("has %d bytes, an Actions secret takes %d", v.Len(), maxActions)
	}
	return ""
}
