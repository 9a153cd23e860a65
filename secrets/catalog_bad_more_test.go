package secrets_test

func badConsumers() []badCatalog {
	return []badCatalog{
		{"kind: worker", "kind: lambda", `32:15: secrets[cf].consumers[edge].kind: found "lambda", expected one of config, worker, container, namespace, actions, pass, backend, registry, manual`},
		{"      - name: project\n        kind: config\n", "      - name: edge\n        kind: config\n", `32:9: secrets[cf].consumers[edge].name: found a second consumer named edge, expected a name of its own for each consumer of a secret`},
		{"- name: project\n        kind", "- name: The Project\n        kind", `27:15: secrets[cf].consumers[The Project].name: found "The Project", expected a name of lower-case letters, digits and -`},
		{"        stack: project\n", "", `27:9: secrets[cf].consumers[project].stack: found nothing, expected stack for a consumer of kind config`},
		{"        values: {token: cf}\n", "", `27:9: secrets[cf].consumers[project].values: found nothing, expected values for a consumer of kind config`},
		{"        values: {token: cf}\n", "        values: {}\n", `30:17: secrets[cf].consumers[project].values: found nothing, expected values for a consumer of kind config`},
		{"        stack: project\n", "        stack: project\n        worker: badges\n", `30:17: secrets[cf].consumers[project].worker: found worker, expected no worker for a consumer of kind config`},
		{"        worker: badges\n", "", `32:9: secrets[cf].consumers[edge].worker: found nothing, expected worker for a consumer of kind worker`},
		{"        worker: badges\n", "        worker: badges\n        optional: [CF_TOKEN]\n", `35:19: secrets[cf].consumers[edge].optional: found optional, expected no optional for a consumer of kind worker`},
		{"steps: [Set it.], ", "", `46:9: secrets[key].consumers[ci].steps: found nothing, expected steps for a consumer of kind manual`},
		{"steps: [Set it.]", "steps: [' ']", `46:42: secrets[key].consumers[ci].steps[0]: found " ", expected a step in words`},
		{"{kind: pass, probe", "{kind: pass, stack: edge, probe", `45:29: secrets[key].consumers[edge].stack: found stack, expected no stack for a consumer of kind pass`},
		{"        stack: edge\n", "        stack: project\n", `32:9: secrets[cf].consumers[project].name: found a second consumer named project, expected a name of its own for each consumer of a secret` + "\n" +
			`33:16: secrets[cf].consumers[project].stack: found the existing project project, expected a stack with declared: true, which can hold a Worker's secrets`},
		{"        stack: project\n", "        stack: edge\n", `29:16: secrets[cf].consumers[project].stack: found the declared stack edge, expected an existing project (dir), whose program reads its config`},
		{"        stack: edge\n", "        stack: none\n", `33:16: secrets[cf].consumers[none].stack: found "none", expected a stack of this catalog (project, edge)`},
		{"values: {token: cf}", "values: {token: key}", `30:25: secrets[cf].consumers[project].values.token: found "key", expected the name of an entry of secret cf (cf)`},
		{"values: {token: cf}", "values: {to/ken: cf}", `30:18: secrets[cf].consumers[project].values.to/ken: found "to/ken", expected a config key of letters, digits and . _ -`},
		{"{CF_TOKEN: cf}", "{CF-TOKEN: cf}", `35:18: secrets[cf].consumers[edge].values.CF-TOKEN: found "CF-TOKEN", expected a name of letters, digits and _ that begins with no digit`},
		{"{CF_TOKEN: cf}", "{1CF: cf}", `35:18: secrets[cf].consumers[edge].values.1CF: found "1CF", expected a name of letters, digits and _ that begins with no digit`},
		{"{CF_TOKEN: cf}", "{CF_TOKEN: cf, cf_token: cf}", `35:32: secrets[cf].consumers[edge].values.cf_token: found config key cf-token, which secrets[cf].consumers[edge].values.CF_TOKEN sets already, expected each config key of stack edge once`},
		{"values: {token: cf}", "values: {token: cf}\n        optional: [tokens]", `31:20: secrets[cf].consumers[project].optional[0]: found "tokens", expected a key of values`},
		{"      - {kind: backend, probe: {kind: works, by: login}}\n", "      - {kind: config, stack: project, values: {token: id}, probe: {kind: exact, by: config}}\n",
			`43:49: secrets[key].consumers[project].values.token: found config key token, which secrets[cf].consumers[project].values.token sets already, expected each config key of stack project once`},
		{"      - {kind: backend, probe: {kind: works, by: login}}\n", "      - {kind: worker, stack: edge, worker: badges, values: {CF_TOKEN: id}, probe: {kind: present, by: names}}\n",
			`43:62: secrets[key].consumers[edge].values.CF_TOKEN: found CF_TOKEN, which secrets[cf].consumers[edge].values.CF_TOKEN sets already, expected each secret of Worker badges once`},
		{"      - {kind: backend, probe: {kind: works, by: login}}\n", "      - {kind: worker, stack: edge, worker: other, values: {CF_TOKEN: id}, probe: {kind: present, by: names}}\n",
			`43:61: secrets[key].consumers[edge].values.CF_TOKEN: found config key cf-token, which secrets[cf].consumers[edge].values.CF_TOKEN sets already, expected each config key of stack edge once`},
		{"    account: team/account\n", "", `31:15: secrets[cf].consumers[edge].kind: found worker, expected services.cloudflare with api, token and account`},
		{"  secretKey: team/key/secret\nservices", "  secretKey: team/cf\nservices", `43:16: secrets[key].consumers[backend].kind: found backend, expected state.secretKey to be an entry of secret key`},
		{"image: space/image, ", "", `44:16: secrets[key].consumers[registry].kind: found registry, expected services.scaleway with registry and image`},
		{"image: space/image, secretKey: team/key/secret", "image: space/image, secretKey: team/cf", `44:16: secrets[key].consumers[registry].kind: found registry, expected services.scaleway.secretKey to be an entry of secret key`},
	}
}

func badProbes() []badCatalog {
	const address = "expected an http or https address"
	attest := "{kind: exact, by: attest, url: 'https://a.example/attest'}"
	http := "{kind: works, by: http, url: 'https://a.example', badUrl: 'https://b.example'}"
	return []badCatalog{
		{"        probe: " + attest + "\n", "", `32:9: secrets[cf].consumers[edge].probe.kind: found nothing, expected one of exact, works, configured, present`},
		{attest, "{kind: sure, by: attest, url: 'https://a.example'}", `36:23: secrets[cf].consumers[edge].probe.kind: found "sure", expected one of exact, works, configured, present`},
		{attest, "{kind: exact}", `36:16: secrets[cf].consumers[edge].probe.by: found nothing, expected one of attest, hash, environ for proof of kind exact`},
		{attest, "{kind: exact, by: http}", `36:34: secrets[cf].consumers[edge].probe.by: found "http", expected one of attest, hash, environ for proof of kind exact`},
		{attest, "{kind: works, by: attest}", `36:34: secrets[cf].consumers[edge].probe.by: found "attest", expected one of http, login for proof of kind works`},
		{attest, "{kind: exact, by: config}", `36:34: secrets[cf].consumers[edge].probe.by: found "config", expected one of attest, http, names, person for a consumer of kind worker`},
		{attest, "{kind: present, by: names, url: 'https://a.example'}", `36:48: secrets[cf].consumers[edge].probe.url: found url, expected no url for by: names`},
		{attest, "{kind: exact, by: attest}", `36:16: secrets[cf].consumers[edge].probe.url: found nothing, ` + address},
		{attest, "{kind: exact, by: attest, url: 'ftp://a.example'}", `36:47: secrets[cf].consumers[edge].probe.url: found "ftp://a.example", ` + address},
		{attest, "{kind: exact, by: attest, url: 'https://a.example', badUrl: 'https://b.example'}", `36:76: secrets[cf].consumers[edge].probe.badUrl: found badUrl, expected no badUrl for by: attest`},
		{http, "{kind: works, by: http, url: 'https://a.example', badUrl: 'https://b.example', instances: 101}", `31:106: secrets[cf].consumers[project].probe.instances: found 101, expected a number from 1 to 100`},
		{http, "{kind: exact, by: config, instances: 3}", `31:53: secrets[cf].consumers[project].probe.instances: found instances, expected no instances for by: config`},
		{http, "{kind: works, by: http, url: 'https://a.example'}", `31:16: secrets[cf].consumers[project].probe.badUrl: found nothing, ` + address},
		{http, "{kind: works, by: http, url: 'https://a.example', badUrl: 'https://a.example'}", `31:74: secrets[cf].consumers[project].probe.badUrl: found "https://a.example", expected another address than url: this one must fail`},
		{"kind: present, by: person", "kind: works, by: login", `46:100: secrets[key].consumers[ci].probe.by: found "login", expected one of attest, environ, http, person for a consumer of kind manual`},
		{"{kind: exact, by: pass}", "{kind: present, by: person}", `45:49: secrets[key].consumers[pass].probe.by: found "person", expected one of attest, environ, http, pass for a consumer of kind pass`},
		{"{kind: pass, ", "{kind: pass, reads: at-start, ", `45:29: secrets[key].consumers[pass].reads: found "at-start", expected each-run`},
		{"{kind: backend, ", "{kind: backend, reads: each-run, ", `43:32: secrets[key].consumers[backend].reads: found reads with a probe by: login, expected reads only beside a probe of kind configured (by: one of config, pass)`},
		{"{kind: pass, probe: {kind: exact, by: pass}}", "{kind: pass, reads: each-run, probe: {kind: exact, by: environ, pidFile: /x, variables: {A: id, B: secret}}}", `45:29: secrets[key].consumers[pass].reads: found reads with a probe by: environ, expected reads only beside a probe of kind configured (by: one of config, pass)`},
	}
}

func badVariables() []badCatalog {
	http := "{kind: works, by: http, url: 'https://a.example', badUrl: 'https://b.example'}"
	person := "{kind: present, by: person}"
	return []badCatalog{
		{http, "{kind: exact, by: hash, container: c, variables: {TOKEN: cf}}", `31:34: secrets[cf].consumers[project].probe.by: found hash, expected services.scaleway with api, region, accessKey and secretKey`},
		{person, "{kind: exact, by: hash, container: c, variables: {KEY: secret}}", `46:100: secrets[key].consumers[ci].probe.by: found "hash", expected one of attest, environ, http, person for a consumer of kind manual` + "\n" +
			`46:100: secrets[key].consumers[ci].probe.by: found hash, expected services.scaleway with api, region, accessKey and secretKey`},
		{http, "{kind: exact, by: environ, variables: {TOKEN: cf}}", `31:16: secrets[cf].consumers[project].probe.pidFile: found nothing, expected pidFile for by: environ`},
		{http, "{kind: exact, by: environ, pidFile: run/x.pid, variables: {TOKEN: cf}}", `31:52: secrets[cf].consumers[project].probe.pidFile: found "run/x.pid", expected an absolute path`},
		{http, "{kind: exact, by: environ, pidFile: /run/x.pid}", `31:16: secrets[cf].consumers[project].probe.variables: found nothing, expected a variable for each entry that the consumer holds`},
		{http, "{kind: exact, by: environ, pidFile: /run/x.pid, variables: {TOKEN: key}}", `31:75: secrets[cf].consumers[project].probe.variables: found no variable of cf, expected a variable for each entry that the consumer holds` + "\n" +
			`31:83: secrets[cf].consumers[project].probe.variables.TOKEN: found "key", expected the name of an entry of secret cf (cf)`},
		{http, "{kind: exact, by: environ, pidFile: /run/x.pid, variables: {TO-KEN: cf}}", `31:76: secrets[cf].consumers[project].probe.variables.TO-KEN: found "TO-KEN", expected a name of letters, digits and _ that begins with no digit`},
		{http, "{kind: exact, by: environ, pidFile: /run/x.pid, container: c, variables: {TOKEN: cf}}", `31:75: secrets[cf].consumers[project].probe.container: found container, expected no container for by: environ`},
		{http, "{kind: exact, by: config, variables: {TOKEN: cf}}", `31:53: secrets[cf].consumers[project].probe.variables: found variables, expected no variables for by: config`},
		{"steps: [Set it.], values: {KEY: secret}, probe: " + person, "steps: [Set it.], probe: {kind: exact, by: environ, pidFile: /x, variables: {KEY: secret}}",
			`46:110: secrets[key].consumers[ci].probe.variables: found no variable of id, expected a variable for each entry that the consumer holds`},
	}
}

func badStacks() []badCatalog {
	project, edge := "{name: project, dir: services/project, stack: prod, env: [HOME]}", "{name: edge, declared: true}"
	folder := "expected a folder below --root, without .. and / at the end"
	return []badCatalog{
		{edge, "{name: edge, declared: true}\n  - {name: edge, dir: x}", `50:12: stacks[edge].name: found "edge" again (first at stacks[edge].name), expected each stack once`},
		{edge, "{name: edge, declared: true}\n  - {name: E, dir: x}", `50:12: stacks[E].name: found "E", expected a name of lower-case letters, digits and -`},
		{edge, "{name: edge, declared: true}\n  - {name: x}", `50:5: stacks[x].dir: found nothing, expected the project's folder, or declared: true`},
		{edge, "{name: edge, declared: true, dir: x}", `49:39: stacks[edge].dir: found dir, expected no dir for a declared stack, whose program is built from this catalog`},
		{edge, "{name: edge, declared: true, stack: x}", `49:41: stacks[edge].stack: found stack, expected no stack for a declared stack, whose program is built from this catalog`},
		{edge, "{name: edge, declared: true, env: [X]}", `49:39: stacks[edge].env: found env, expected no env for a declared stack, whose program is built from this catalog`},
		{edge, "{name: edge, declared: true, providers: served}", `49:45: stacks[edge].providers: found "served", expected hosted, official`},
		{project, "{name: project, dir: x, providers: hosted}", `48:40: stacks[project].providers: found providers, expected no providers for an existing project, which has its own`},
		{project, "{name: project, dir: ../x}", `48:26: stacks[project].dir: found "../x", ` + folder},
		{project, "{name: project, dir: /x}", `48:26: stacks[project].dir: found "/x", ` + folder},
		{project, "{name: project, dir: a/../../x}", `48:26: stacks[project].dir: found "a/../../x", ` + folder},
		{project, "{name: project, dir: x/}", `48:26: stacks[project].dir: found "x/", ` + folder},
		{project, "{name: project, dir: x, stack: 'a b'}", `48:36: stacks[project].stack: found "a b", expected the name of a Pulumi stack, or *`},
		{project, "{name: project, dir: x, backend: 'https://x'}", `48:38: stacks[project].backend: found "https://x", Pulumi Cloud, which is not supported, expected s3://BUCKET?… or file://DIR`},
		{project, "{name: project, dir: x, passphrase: ../x}", `48:41: stacks[project].passphrase: found "../x", expected a pass path: letters, digits, blanks inside and . _ - @ + = with / between, no part beginning with . or -, no .gpg at the end`},
		{project, "{name: project, dir: x, env: [A=b]}", `48:35: stacks[project].env[0]: found "A=b", expected a name of letters, digits and _ that begins with no digit`},
		{edge, "{name: edge, declared: true}\n  - {name: more, dir: services/project, stack: '*'}", `50:23: stacks[more].dir: found the project of stack project again, expected each Pulumi stack only once`},
		{edge, "{name: edge, declared: true}\n  - {name: more, dir: services/project, stack: prod}", `50:23: stacks[more].dir: found the project of stack project again, expected each Pulumi stack only once`},
		{edge, "{name: edge, declared: true}\n  - {name: more, dir: services/project}", `50:23: stacks[more].dir: found the project of stack project again, expected each Pulumi stack only once`},
	}
}

func badRest() []badCatalog {
	const entry = "expected the path of an entry or identifier of this catalog"
	return []badCatalog{
		{"url: s3://bucket?region=fr-par", "url: 's3://'", `6:8: state.url: found "s3://", expected s3://BUCKET?… or file://DIR`},
		{"url: s3://bucket?region=fr-par", "url: file:///REPLACE-ME", `6:8: state.url: found "file:///REPLACE-ME", which was to be replaced, expected s3://BUCKET?… or file://DIR`},
		{"  accessKey: team/key/id\n", "", `6:3: state.accessKey: found nothing, ` + entry},
		{"  accessKey: team/key/id\n", "  accessKey: team/key/ID\n", `7:14: state.accessKey: found "team/key/ID", ` + entry},
		{"token: team/cf", "token: team/other", `12:12: services.cloudflare.token: found "team/other", ` + entry},
		{"    token: team/cf\n", "    token: team/cf\n    zones: [team/zone]\n", `13:13: services.cloudflare.zones[0]: found "team/zone", ` + entry},
		{"    api: https://api.cloudflare.com/client/v4\n", "    api: api.cloudflare.com\n", `11:10: services.cloudflare.api: found "api.cloudflare.com", expected an http or https address`},
		{"registry: 'https://rg.example'", "registry: rg.example", `14:24: services.scaleway.registry: found "rg.example", expected an http or https address`},
		{"image: space/image", "image: image", `14:53: services.scaleway.image: found "image", expected NAMESPACE/IMAGE`},
		{"scaleway: {", "clouds: {}\n  scaleway: {", `14:3: services.clouds: found the unknown key "clouds", expected one of cloudflare, scaleway, stripe, clerk, sightengine, github`},
		{"name: local", "name: Local", `51:11: environments[Local].name: found "Local", expected a name of lower-case letters, digits and -`},
		{"    variables: {KEY: team/key/secret}\n    text: {URL: state.url}\n", "", `51:5: environments[local]: found no variable, expected variables or text`},
		{"{KEY: team/key/secret}", "{KEY-1: team/key/secret}", `52:17: environments[local].variables.KEY-1: found "KEY-1", expected a name of letters, digits and _ that begins with no digit`},
		{"{KEY: team/key/secret}", "{KEY: team/key}", `52:22: environments[local].variables.KEY: found "team/key", ` + entry},
		{"text: {URL: state.url}", "text: {KEY: x}", `53:12: environments[local].text.KEY: found KEY, which variables sets already, expected each variable once`},
	}
}
