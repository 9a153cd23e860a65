package secrets_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const (
	workerConsumer = `      - kind: worker
        stack: edge
        worker: badges
        values: {CF_TOKEN: cf}
        probe: {kind: exact, by: attest, url: 'https://a.example/attest'}
`
	scalewayLine = "  scaleway: {registry: 'https://rg.example', image: space/image, secretKey: team/key/secret}\n"
	places       = "  scaleway: {api: 'https://scw.example', region: fr-par, registry: 'https://rg.example', image: space/image, accessKey: team/key/id, secretKey: team/key/secret}\n" +
		"  github: {api: 'https://gh.example', token: team/cf}\n"
	container = "      - {kind: container, name: shop, stack: edge, container: shop, namespace: space, values: {CF_TOKEN: cf}, probe: {kind: exact, by: hash}}\n"
	namespace = "      - {kind: namespace, name: space, stack: edge, namespace: space, region: nl-ams, values: {CF_TOKEN: cf}, probe: {kind: exact, by: hash}}\n"
	actions   = "      - {kind: actions, name: ci, stack: edge, repository: o/n, environment: live, values: {CF_TOKEN: cf}, probe: {kind: present, by: updated}}\n" +
		"      - {kind: actions, name: all, stack: edge, organization: o, values: {CF_TOKEN: cf}, probe: {kind: present, by: updated}}\n"
)

func TestParsePlaces(t *testing.T) {
	cat, err := parseSmall(t, workerConsumer, workerConsumer+container+namespace+actions, scalewayLine, places)
	require.NoError(t, err)
	require.NoError(t, fits(t, compiledSchema(t), strings.NewReplacer(workerConsumer, workerConsumer+container+namespace+actions, scalewayLine, places).Replace(small)))
	list := cat.Secrets[0].Consumers
	require.Equal(t, secrets.Probe{Kind: secrets.ProofExact, By: "hash", Container: "shop", Namespace: "space", Region: "fr-par",
		Variables: map[string]string{"CF_TOKEN": "cf"}}, list[2].Probe, "it is asked about itself")
	require.Equal(t, "nl-ams", list[3].Probe.Region)
	keys := map[string]bool{}
	for _, c := range list[1:] {
		require.True(t, c.Kind.Held())
		keys[c.ConfigKey("CF_TOKEN")] = true
	}
	require.Equal(t, map[string]bool{"cf-token": true, "shop-cf-token": true, "space-cf-token": true, "o-n-live-cf-token": true, "o-cf-token": true}, keys)
	for _, title := range []string{"container shop of space", "namespace space", "Actions of o/n, live", "Actions of o"} {
		require.Contains(t, cat.Graph(), `"`+title+`"`)
	}
}

// What is wrong is said with its place, and the schema knows it where a form can.
func TestParseRefusesPlaces(t *testing.T) {
	for _, c := range []struct {
		consumer, services, old, new, want string
		form                               bool
	}{
		{container, places, "container: shop, ", "", "found nothing, expected container for a consumer of kind container", true},
		{container, places, "namespace: space, ", "", "found nothing, expected namespace for a consumer of kind container", true},
		{container, places, "shop", "'a/b'", `container: found "a/b", expected a name of lower-case letters`, true},
		{container, places, "by: hash", "by: hash, container: other, variables: {CF_TOKEN: cf}", "only kind and by: a container is asked about itself", true},
		{container, places, "kind: exact, by: hash", "kind: present, by: names", "found \"names\", expected one of attest, hash, http, person", false},
		{container, places, "edge", "project", "found the existing project project, expected a stack with declared: true, which can hold a container's secrets", false},
		{container, scalewayLine, "x", "x", "services.scaleway with api, accessKey and secretKey", false},
		{container, scalewayLine, "x", "x", "a region, here or as services.scaleway.region", false},
		{container, places, "container: shop", "container: shop, worker: w", "no worker for a consumer of kind container", false},
		{container + strings.Replace(container, "name: shop", "name: two", 1), places, "x", "x", "each secret of container shop of space once", false},
		{namespace, places, "namespace: space, ", "namespace: space, container: x, ", "no container for a consumer of kind namespace", false},
		{actions, places, "CF_TOKEN", "cf_token", `found "cf_token", expected a name of capital letters`, true},
		{actions, places, "CF_TOKEN", "GITHUB_TOKEN", `found "GITHUB_TOKEN", expected a name of capital letters`, true},
		{actions, places, "repository: o/n, environment: live", "repository: o", `found "o", expected OWNER/NAME`, true},
		{actions, places, "repository: o/n, environment: live, ", "", "found nothing, expected OWNER/NAME of a repository, or an organization", true},
		{actions, places, "organization: o", "organization: o, environment: live", "no environment for an organization", true},
		{actions, places, "organization: o", "organization: o, repository: o/n", "either a repository or an organization", true},
		{actions, strings.Replace(places, ", token: team/cf", "", 1), "x", "x", "services.github with api and token", false},
		{actions, strings.Replace(places, "team/cf", "team/none", 1), "x", "x", `services.github.token: found "team/none"`, false},
	} {
		consumer := c.consumer
		if c.old != "x" {
			require.Contains(t, consumer, c.old)
			consumer = strings.ReplaceAll(consumer, c.old, c.new)
		}
		_, err := parseSmall(t, workerConsumer, workerConsumer+consumer, scalewayLine, c.services)
		assert.ErrorContains(t, err, c.want, "%s -> %s", c.old, c.new)
		if c.form {
			text := strings.NewReplacer(workerConsumer, workerConsumer+consumer, scalewayLine, c.services).Replace(small)
			assert.Error(t, fits(t, compiledSchema(t), text), "the schema: %s -> %s", c.old, c.new)
		}
	}
}
