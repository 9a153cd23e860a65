package secrets

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ServiceManual is the service of a secret that no client here knows: people
// issue it, test it and retire it.
const ServiceManual = "manual"

func knownServices() []string {
	return []string{"cloudflare", "scaleway", "stripe", "clerk", "sightengine", ServiceManual}
}

func (c *checker) secrets(at place) {
	c.want(len(c.cat.Secrets) > 0, at, "no secret", "at least one secret")
	for i, s := range c.cat.Secrets {
		own := at.item(i, s.Name)
		if c.text(isName(s.Name), own.key("name"), s.Name, nameForm) {
			c.unique(own.key("name"), "secret", s.Name)
		}
		c.text(slices.Contains(knownServices(), s.Service), own.key("service"), s.Service, oneOf(knownServices()))
		c.issuer(own.key("issuer"), s)
		c.entries(own.key("entries"), s)
		c.dashboard(own.key("dashboard"), s)
		for j, consumer := range s.Consumers {
			c.consumer(own.key("consumers").item(j, consumer.Name), s, consumer)
		}
		c.consumerNames(own, s)
	}
}

// issuers are the services whose API makes credentials for this program.
func issuers() []string { return []string{"cloudflare", "scaleway"} }

func (c *checker) issuer(at place, s Secret) {
	switch s.Issuer {
	case "", IssuerPerson:
	case IssuerAPI:
		c.want(slices.Contains(issuers(), s.Service), at, "api for service "+s.Service, "api only for "+oneOf(issuers()))
	default:
		c.text(false, at, string(s.Issuer), oneOf([]string{string(IssuerAPI), string(IssuerPerson)}))
	}
}

func (c *checker) entries(at place, s Secret) {
	c.want(len(s.Entries) > 0, at, "no entry", "at least one entry")
	names := map[string]string{}
	for i, e := range s.Entries {
		own := at.item(i, e.Path)
		c.ownPath(own.key("path"), e.Path)
		c.pattern(own.key("pattern"), e.Pattern)
		c.text(e.Read.valid(), own.key("read"), string(e.Read), "line, raw or field:NAME")
		if first, seen := names[e.Name()]; e.Path != "" && seen && first != e.Path {
			c.report(own.key("path"), fmt.Sprintf("a second entry named %s (the first is %s)", e.Name(), first),
				"entries of one secret with different last elements")
		}
		names[e.Name()] = e.Path
	}
}

func (f Format) valid() bool {
	name, field := strings.CutPrefix(string(f), "field:")
	if field {
		return name != "" && strings.TrimSpace(name) == name && !strings.ContainsAny(name, ":\r\n")
	}
	return f == FormatLine || f == FormatRaw
}

func (c *checker) dashboard(at place, s Secret) {
	if s.Dashboard.URL != "" {
		c.address(at.key("url"), s.Dashboard.URL)
	}
	c.want(!s.Dashboard.KillsOld || s.Grace == 0, at.key("killsOld"),
		"true with a grace of "+s.Grace.String(), "grace: 0, since nothing of the old value is left to grant")
	c.want(!s.Dashboard.KillsOld || s.Issuer != IssuerAPI, at.key("killsOld"), "true with issuer: api", "false: an API issues a second value beside the first")
	c.steps(at.key("issue"), s.Dashboard.Issue)
	c.steps(at.key("retire"), s.Dashboard.Retire)
}

func (c *checker) steps(at place, steps []string) {
	for i, step := range steps {
		c.text(strings.TrimSpace(step) != "", at.item(i, ""), step, "a step in words")
	}
}

func (c *checker) consumerNames(at place, s Secret) {
	for i, consumer := range s.Consumers {
		own := at.key("consumers").item(i, consumer.Name).key("name")
		if !c.text(isName(consumer.Name), own, consumer.Name, nameForm) {
			continue
		}
		earlier := slices.IndexFunc(s.Consumers, func(o Consumer) bool { return o.Name == consumer.Name })
		c.want(earlier == i, own, fmt.Sprintf("a second consumer named %s", consumer.Name),
			"a name of its own for each consumer of a secret")
	}
}

// kindRule says which fields a kind of consumer has and how it can be asked.
type kindRule struct {
	needs  []string
	allows []string
	by     []string
}

func kindRules() map[ConsumerKind]kindRule {
	return map[ConsumerKind]kindRule{
		KindConfig:    {needs: []string{"stack", "values"}, allows: []string{"optional"}, by: []string{"attest", "config", "hash", "environ", "http", "person"}},
		KindWorker:    {needs: []string{"stack", "worker", "values"}, by: []string{"attest", "http", "names", "person"}},
		KindContainer: {needs: []string{"stack", "container", "namespace", "values"}, allows: []string{"region"}, by: []string{"attest", "hash", "http", "person"}},
		KindNamespace: {needs: []string{"stack", "namespace", "values"}, allows: []string{"region"}, by: []string{"attest", "hash", "http", "person"}},
		KindActions:   {needs: []string{"stack", "values"}, allows: []string{"repository", "environment", "organization"}, by: []string{"attest", "http", "updated", "person"}},
		KindPass:      {by: []string{"attest", "environ", "http", "pass"}},
		KindBackend:   {by: []string{"login"}},
		KindRegistry:  {by: []string{"login"}},
		KindManual:    {needs: []string{"steps"}, allows: []string{"values"}, by: []string{"attest", "environ", "http", "person"}},
	}
}

func consumerKinds() []ConsumerKind {
	return []ConsumerKind{KindConfig, KindWorker, KindContainer, KindNamespace, KindActions, KindPass, KindBackend, KindRegistry, KindManual}
}

func (c *checker) consumer(at place, s Secret, consumer Consumer) {
	rule, known := kindRules()[consumer.Kind]
	if !c.text(known, at.key("kind"), string(consumer.Kind), oneOf(consumerKinds())) {
		return
	}
	has := []struct {
		name string
		set  bool
	}{
		{"stack", consumer.Stack != ""}, {"worker", consumer.Worker != ""},
		{"container", consumer.Container != ""}, {"namespace", consumer.Namespace != ""}, {"region", consumer.Region != ""},
		{"repository", consumer.Repository != ""}, {"environment", consumer.Environment != ""}, {"organization", consumer.Organization != ""}, {"values", len(consumer.Values) > 0},
		{"optional", len(consumer.Optional) > 0}, {"steps", len(consumer.Steps) > 0},
	}
	for _, field := range has {
		kind := "for a consumer of kind " + string(consumer.Kind)
		if slices.Contains(rule.needs, field.name) {
			c.want(field.set, at.key(field.name), "nothing", field.name+" "+kind)
		} else if !slices.Contains(rule.allows, field.name) {
			c.want(!field.set, at.key(field.name), field.name, "no "+field.name+" "+kind)
		}
	}
	c.steps(at.key("steps"), consumer.Steps)
	c.holderNames(at, consumer)
	c.consumerStack(at.key("stack"), consumer)
	c.values(at, s, consumer)
	c.probe(at.key("probe"), s, consumer, rule)
	c.reads(at.key("reads"), consumer)
	c.wired(at.key("kind"), s, consumer.Kind)
}

func (c *checker) consumerStack(at place, consumer Consumer) {
	if consumer.Stack == "" {
		return
	}
	i := slices.IndexFunc(c.cat.Stacks, func(s Stack) bool { return s.Name == consumer.Stack })
	if !c.text(i >= 0, at, consumer.Stack, "a stack of this catalog ("+strings.Join(stackNames(c.cat), ", ")+")") {
		return
	}
	stack := c.cat.Stacks[i]
	if c.isBroken(place{}.key("stacks").item(i, "").key("declared").path) {
		return
	}
	switch {
	case consumer.Kind.Held():
		c.want(stack.Declared, at, "the existing project "+consumer.Stack, "a stack with declared: true, which can hold a "+holderWord(consumer.Kind)+"'s secrets")
	case consumer.Kind == KindConfig:
		c.want(!stack.Declared, at, "the declared stack "+consumer.Stack, "an existing project (dir), whose program reads its config")
	}
}

func (c *checker) values(at place, s Secret, consumer Consumer) {
	for _, name := range slices.Sorted(maps.Keys(consumer.Values)) {
		own, entry := at.key("values").key(name), consumer.Values[name]
		_, found := s.Entry(entry)
		c.text(found, own, entry, "the name of an entry of secret "+s.Name+" ("+strings.Join(entryNames(s), ", ")+")")
		switch consumer.Kind {
		case KindConfig:
			if c.wantKey(isConfigKey(name), own, quote(name), "a config key of letters, digits and . _ -") {
				c.uniqueKey(own, consumer.Stack, name)
			}
		case KindActions:
			if c.wantKey(isActionsName(name), own, quote(name), actionsNameForm) {
				c.uniqueHeld(own, consumer, name)
			}
		case KindWorker, KindContainer, KindNamespace:
			if c.wantKey(isVariable(name), own, quote(name), variableForm) {
				c.uniqueHeld(own, consumer, name)
			}
		}
	}
	for i, name := range consumer.Optional {
		_, found := consumer.Values[name]
		c.text(found, at.key("optional").item(i, ""), name, "a key of values")
	}
}

// uniqueKey: two sources of one config key would overwrite each other.
func (c *checker) uniqueKey(at place, stack, key string) {
	first, free := c.claim(at, "key", stack+"\x00"+key)
	c.wantKey(free, at, fmt.Sprintf("config key %s, which %s sets already", key, first), "each config key of stack "+stack+" once")
}
