package secrets_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// small is a catalog with one of everything that the bad ones below change.
const small = `version: 1
store:
  covers: [team]
  ignore: ['team/old/*']
state:
  url: s3://bucket?region=fr-par
  accessKey: team/key/id
  secretKey: team/key/secret
services:
  cloudflare:
    api: https://api.cloudflare.com/client/v4
    token: team/cf
    account: team/account
  scaleway: {registry: 'https://rg.example', image: space/image, secretKey: team/key/secret}
identifiers:
  - path: team/account
secrets:
  - name: cf
    service: cloudflare
    entries:
      - path: team/cf
        pattern: '[a-z]+'
    maxAge: 90d
    grace: 0
    dashboard: {killsOld: true}
    consumers:
      - name: project
        kind: config
        stack: project
        values: {token: cf}
        probe: {kind: works, by: http, url: 'https://a.example', badUrl: 'https://b.example'}
      - kind: worker
        stack: edge
        worker: badges
        values: {CF_TOKEN: cf}
        probe: {kind: exact, by: attest, url: 'https://a.example/attest'}
  - name: key
    service: manual
    entries:
      - {path: team/key/id, read: raw}
      - {path: team/key/secret, read: 'field:secret'}
    consumers:
      - {kind: backend, probe: {kind: works, by: login}}
      - {kind: registry, probe: {kind: works, by: login}}
      - {kind: pass, probe: {kind: exact, by: pass}}
      - {name: ci, kind: manual, steps: [Set it.], values: {KEY: secret}, probe: {kind: present, by: person}}
stacks:
  - {name: project, dir: services/project, stack: prod, env: [HOME]}
  - {name: edge, declared: true}
environments:
  - name: local
    variables: {KEY: team/key/secret}
    text: {URL: state.url}
`

func parseSmall(t *testing.T, edits ...string) (*secrets.Catalog, error) {
	t.Helper()
	for i := 0; i < len(edits); i += 2 {
		require.Contains(t, small, edits[i])
	}
	return secrets.Parse("team.yaml", []byte(strings.NewReplacer(edits...).Replace(small)))
}

func TestParseFillsInDefaults(t *testing.T) {
	cat, err := parseSmall(t)
	require.NoError(t, err)
	s, ok := cat.Secret("cf")
	require.True(t, ok)
	require.Equal(t, "cf", s.Title)
	require.Equal(t, secrets.FormatLine, s.Entries[0].Read)
	require.Equal(t, "edge", s.Consumers[1].Name, "the stack")
	require.Equal(t, "90d", s.MaxAge.String())
	require.True(t, s.Dashboard.KillsOld)
	key, _ := cat.Secret("key")
	require.Equal(t, secrets.FormatRaw, key.Entries[0].Read)
	require.Equal(t, "backend", key.Consumers[0].Name, "the kind")
	edge, ok := cat.Stack("edge")
	require.True(t, ok)
	require.Equal(t, secrets.ProvidersHosted, edge.Providers)
	local, ok := cat.Environment("local")
	require.True(t, ok)
	require.Equal(t, map[string]string{"URL": "s3://bucket?region=fr-par"}, cat.Text(local))
}

func TestLookupsSayWhatIsNotThere(t *testing.T) {
	cat, err := parseSmall(t)
	require.NoError(t, err)
	for _, found := range []func() bool{
		func() bool { _, ok := cat.Secret("none"); return ok },
		func() bool { _, ok := cat.Stack("none"); return ok },
		func() bool { _, ok := cat.Environment("none"); return ok },
		func() bool { _, ok := cat.Secrets[0].Entry("none"); return ok },
	} {
		require.False(t, found())
	}
}

func TestParseUnderstandsAnchors(t *testing.T) {
	cat, err := parseSmall(t,
		"probe: {kind: works, by: login}}\n      - {kind: registry, probe: {kind: works, by: login}}",
		"probe: &login {kind: works, by: login}}\n      - {kind: registry, probe: *login}")
	require.NoError(t, err)
	key, _ := cat.Secret("key")
	require.Equal(t, key.Consumers[0].Probe, key.Consumers[1].Probe)
}

func TestParseReportsEverythingTogetherInOrder(t *testing.T) {
	_, err := parseSmall(t, "version: 1", "version: 2", "service: cloudflare", "service: cloud", "stack: project\n", "stack: projekt\n", "by: person", "by: people")
	var wrong *secrets.CatalogError
	require.ErrorAs(t, err, &wrong)
	require.Len(t, wrong.Problems, 4)
	require.Equal(t, secrets.Problem{
		File: "team.yaml", Line: 29, Column: 16, Where: "secrets[cf].consumers[project].stack",
		Found: `"projekt"`, Expected: "a stack of this catalog (project, edge)",
	}, wrong.Problems[2])
	require.EqualError(t, err, strings.Join([]string{
		"team.yaml:1:10: version: found the number 2, expected 1, the version of this form",
		`team.yaml:19:14: secrets[cf].service: found "cloud", expected one of cloudflare, scaleway, stripe, clerk, sightengine, manual`,
		`team.yaml:29:16: secrets[cf].consumers[project].stack: found "projekt", expected a stack of this catalog (project, edge)`,
		`team.yaml:46:102: secrets[key].consumers[ci].probe.by: found "people", expected one of names, updated, person for proof of kind present`,
	}, "\n"))
}

// A catalog is no place for a credential, but somebody will paste one there.
func TestParseDoesNotShowAPastedCredential(t *testing.T) {
	const pasted = "sk_live_QZXJQZXJQZXJQZXJ"
	for _, edit := range [][2]string{
		{"path: team/cf", "path: " + pasted}, {"values: {token: cf}", "values: {token: " + pasted + "}"},
		{"values: {token: cf}", "values: {token: cf, " + pasted + "!: cf}"}, {"maxAge: 90d", "maxAge: " + pasted},
		{"    grace: 0", "    " + pasted + ": 0"}, {"name: cf", "name: " + pasted}, {"'[a-z]+'", "'" + pasted + "('"},
		{"worker: badges", "worker: *" + pasted}, {"stack: edge\n", "stack: " + pasted + "\n"}, {"version: 1", "version: " + pasted},
	} {
		_, err := parseSmall(t, edit[0], edit[1])
		require.Error(t, err, edit[1])
		require.NotContains(t, err.Error(), "QZXJ")
	}
	_, err := parseSmall(t, "https://api.cloudflare.com", "https://user:QZXJ@api.cloudflare.com", "s3://bucket", "s3://user:QZXJ@bucket")
	require.ErrorContains(t, err, "services.cloudflare.api: found an address with a user or password in it")
	require.ErrorContains(t, err, "state.url: found an address with a user or password in it")
	require.NotContains(t, err.Error(), "QZXJ")
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "team.yaml")
	_, err := secrets.Load(file)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "reading the catalog: ")

	require.NoError(t, os.WriteFile(file, []byte(small), 0o600))
	cat, err := secrets.Load(file)
	require.NoError(t, err)
	require.Len(t, cat.Secrets, 2)

	require.NoError(t, os.WriteFile(file, []byte("version: 1\n}"), 0o600))
	_, err = secrets.Load(file)
	require.ErrorContains(t, err, file+":2:1: catalog: found broken YAML (")
}
