package secrets_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// badCatalog is the small catalog with one thing changed, and all that is then
// said.
type badCatalog struct {
	old, new string
	want     string
}

func TestParseRefuses(t *testing.T) {
	groups := map[string][]badCatalog{
		"types": badTypes(), "store": badStores(), "secrets": badSecrets(),
		"consumers": badConsumers(), "probes": badProbes(), "variables": badVariables(), "stacks": badStacks(), "rest": badRest(),
	}
	for group, cases := range groups {
		t.Run(group, func(t *testing.T) {
			for _, c := range cases {
				_, err := parseSmall(t, c.old, c.new)
				assert.EqualError(t, err, "team.yaml:"+strings.ReplaceAll(c.want, "\n", "\nteam.yaml:"), "%s -> %s", c.old, c.new)
			}
		})
	}
}

func TestParseRefusesWhatIsNoCatalog(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "x:1:1: catalog: found an empty file, expected a catalog",
		"# nothing\n":        "x:1:1: catalog: found an empty file, expected a catalog",
		"a: 1\n---\nb: 1\n":  "x:3:1: catalog: found a second document, expected one document",
		"a: [1\n":            "x:1:4: catalog: found broken YAML (sequence end token ']' not found), expected well-formed YAML",
		"a: b: c\n":          "x:1:4: catalog: found broken YAML (mapping value is not allowed in this context), expected well-formed YAML",
		"- a\n":              "x:1:1: catalog: found a list, expected a mapping",
		"just words\n":       `x:1:1: catalog: found "just words", expected a mapping`,
		"%YAML 1.2\n---\n42": "x:3:1: catalog: found the number 42, expected a mapping",
	} {
		_, err := secrets.Parse("x", []byte(text))
		assert.EqualError(t, err, want, "%q", text)
	}
}

func badTypes() []badCatalog {
	return []badCatalog{
		{"version: 1", "version: one", `1:10: version: found "one", expected a whole number`},
		{"version: 1", "version: 1.5", `1:10: version: found the number 1.5, expected a whole number`},
		{"    service: cloudflare\n", "    service: cloudflare\n    owner: me\n", `20:5: secrets[cf].owner: found the unknown key "owner", expected one of name, title, service, issuer, entries, pair, maxAge, grace, dashboard, consumers`},
		{"    grace: 0\n", "    grace: 0\n    maxAge: 1d\n", `25:5: secrets[cf].maxAge: found the key "maxAge" again (first in line 23), expected each key once`},
		{"    grace: 0\n", "    <<: {grace: 0}\n", "24:5: secrets[cf].<<: found a merge (<<) as a key, expected text"},
		{"    grace: 0\n", "    1: 0\n", "24:5: secrets[cf].1: found the number 1 as a key, expected text"},
		{"worker: badges", "worker: 12", "34:17: secrets[cf].consumers[1].worker: found the number 12, expected text (in quotes)"},
		{"worker: badges", "worker: true", "34:17: secrets[cf].consumers[1].worker: found the word true, expected text (in quotes)"},
		{"worker: badges", "worker:", "34:16: secrets[cf].consumers[1].worker: found nothing, expected text"},
		{"worker: badges", "worker: [a]", "34:17: secrets[cf].consumers[1].worker: found a list, expected text"},
		{"worker: badges", "worker: {a: b}", "34:17: secrets[cf].consumers[1].worker: found a mapping, expected text"},
		{"worker: badges", "worker: !!str badges", "34:17: secrets[cf].consumers[1].worker: found the tag !!str, expected text"},
		{"worker: badges", "worker: *none", "34:17: secrets[cf].consumers[1].worker: found the alias *none, expected an anchor &none before it"},
		{"steps: [Set it.]", "steps: &own [*own]", "46:47: secrets[key].consumers[ci].steps[0]: found the alias *own, expected an anchor &own before it"},
		{"declared: true", "declared: 'yes'", `49:28: stacks[edge].declared: found "yes", expected true or false`},
		{"steps: [Set it.]", "steps: Set it.", "46:41: secrets[key].consumers[ci].steps: found \"Set it.\", expected a list"},
		{"values: {token: cf}", "values: [cf]", "30:17: secrets[cf].consumers[project].values: found a list, expected a mapping"},
		{"values: {token: cf}", "values: {token: [cf]}", "30:25: secrets[cf].consumers[project].values.token: found a list, expected text"},
		{"maxAge: 90d", "maxAge: 90", "23:13: secrets[cf].maxAge: found the number 90, expected a duration such as 90d, 12h, 30m or 0"},
		{"maxAge: 90d", "maxAge: 3 months", `23:13: secrets[cf].maxAge: found "3 months", expected a duration such as 90d, 12h, 30m or 0`},
	}
}

func badStores() []badCatalog {
	const form = "expected a pass path: letters, digits, blanks inside and . _ - @ + = with / between, no part beginning with . or -, no .gpg at the end"
	const key = "expected a key's full fingerprint, its long id (16 hex digits) or a user id with an address"
	return []badCatalog{
		{"covers: [team]", "covers: []", "3:11: store.covers: found no folder, expected at least one folder of the pass store"},
		{"covers: [team]", "covers: [team, ../x]", `3:18: store.covers[1]: found "../x", ` + form},
		{"covers: [team]", "covers: [team, team]", `3:18: store.covers[1]: found "team" again (first at store.covers[0]), expected each folder once`},
		{"ignore: ['team/old/*']", "ignore: ['team/[']", `4:12: store.ignore[0]: found "team/[", expected a glob such as team/*`},
		{"covers: [team]", "recipients: ['0xDEADBEEF', '-a@b', nobody]\n  covers: [team]", `3:16: store.recipients[0]: found "0xDEADBEEF", ` + key +
			"\n" + `3:30: store.recipients[1]: found "-a@b", ` + key + "\n" + `3:38: store.recipients[2]: found "nobody", ` + key},
		{"covers: [team]", "recipients: [a@b, a@b]\n  covers: [team]", `3:21: store.recipients[1]: found "a@b" again (first at store.recipients[0]), expected each key once`},
		{"read: raw}\n", "read: raw}\n      - {path: other/x}\n", `41:16: secrets[key].entries[other/x].path: found "other/x", expected a path inside store.covers (team)`},
		{"read: raw}\n", "read: raw}\n      - {path: teams/x}\n", `41:16: secrets[key].entries[teams/x].path: found "teams/x", expected a path inside store.covers (team)`},
		{"read: raw}\n", "read: raw}\n      - {path: /team/x}\n", `41:16: secrets[key].entries[/team/x].path: found "/team/x", ` + form},
		{"read: raw}\n", "read: raw}\n      - {path: -team/x}\n", `41:16: secrets[key].entries[-team/x].path: found "-team/x", ` + form},
		{"read: raw}\n", "read: raw}\n      - {path: team/../x}\n", `41:16: secrets[key].entries[team/../x].path: found "team/../x", ` + form},
		{"read: raw}\n", "read: raw}\n      - {path: team//x}\n", `41:16: secrets[key].entries[team//x].path: found "team//x", ` + form},
		{"read: raw}\n", "read: raw}\n      - {path: team/.git}\n", `41:16: secrets[key].entries[team/.git].path: found "team/.git", ` + form},
		{"read: raw}\n", "read: raw}\n      - {path: team/x.gpg}\n", `41:16: secrets[key].entries[team/x.gpg].path: found "team/x.gpg", ` + form},
		{"read: raw}\n", "read: raw}\n      - {path: 'team/a:b'}\n", `41:16: secrets[key].entries[team/a:b].path: found "team/a:b", ` + form},
		{"read: raw}\n", "read: raw}\n      - {path: team/ключ}\n", `41:16: secrets[key].entries[team/ключ].path: found "team/ключ", ` + form},
		{"read: raw}\n", "read: raw}\n      - {title: x}\n", `41:9: secrets[key].entries[1].path: found nothing, ` + form},
		{"  - path: team/account\n", "  - path: team/account\n  - path: rotation/x\n", `17:11: identifiers[rotation/x].path: found "rotation/x", expected a path outside rotation/, which this program keeps for itself` + "\n" +
			`17:11: identifiers[rotation/x].path: found "rotation/x", expected a path inside store.covers (team)`},
		{"  - path: team/account\n", "  - path: team/account\n  - path: team/cf\n", `22:15: secrets[cf].entries[team/cf].path: found "team/cf" again (first at identifiers[team/cf].path), expected each path once`},
		{"  - path: team/account\n", "  - path: team/account\n    pattern: '['\n", `17:14: identifiers[team/account].pattern: found "[", expected a regular expression (RE2)`},
	}
}

func badSecrets() []badCatalog {
	services := "expected one of cloudflare, scaleway, stripe, clerk, sightengine, manual"
	return []badCatalog{
		{"name: cf", "name: CF", `18:11: secrets[CF].name: found "CF", expected a name of lower-case letters, digits and -`},
		{"name: key", "name: cf", `37:11: secrets[cf].name: found "cf" again (first at secrets[cf].name), expected each secret once`},
		{"    service: manual\n", "", `37:5: secrets[key].service: found nothing, ` + services},
		{"service: manual", "service: vault", `38:14: secrets[key].service: found "vault", ` + services},
		{"service: manual", "service: stripe", `10:3: services.stripe.api: found nothing, expected the API's address, which secret key needs`},
		{"read: raw}\n", "read: raw}\n      - {path: team/id}\n", `41:16: secrets[key].entries[team/id].path: found a second entry named id (the first is team/key/id), expected entries of one secret with different last elements`},
		{"pattern: '[a-z]+'", "pattern: '[a-z'", `22:18: secrets[cf].entries[team/cf].pattern: found "[a-z", expected a regular expression (RE2)`},
		{"pattern: '[a-z]+'", "pattern: 'a)|(b'", `22:18: secrets[cf].entries[team/cf].pattern: found "a)|(b", expected a regular expression (RE2)`},
		{"read: raw", "read: all", `40:35: secrets[key].entries[team/key/id].read: found "all", expected line, raw or field:NAME`},
		{"read: raw", "read: 'field:'", `40:35: secrets[key].entries[team/key/id].read: found "field:", expected line, raw or field:NAME`},
		{"grace: 0", "grace: 1h", `25:27: secrets[cf].dashboard.killsOld: found true with a grace of 1h, expected grace: 0, since nothing of the old value is left to grant`},
		{"    service: cloudflare\n", "    service: cloudflare\n    issuer: robot\n", `20:13: secrets[cf].issuer: found "robot", expected one of api, person`},
		{"    service: cloudflare\n", "    service: cloudflare\n    issuer: api\n", `26:27: secrets[cf].dashboard.killsOld: found true with issuer: api, expected false: an API issues a second value beside the first`},
		{"{killsOld: true}", "{url: dash.example}", `25:22: secrets[cf].dashboard.url: found "dash.example", expected an http or https address`},
		{"{killsOld: true}", "{issue: ['']}", `25:25: secrets[cf].dashboard.issue[0]: found nothing, expected a step in words`},
	}
}
