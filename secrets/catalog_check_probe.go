package secrets

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxInstances bounds the row of answers, which grows with the number.
const maxInstances = 100

// proofBy says how each kind of proof can be had.
func proofBy(kind ProofKind) []string {
	switch kind {
	case ProofExact:
		return []string{"attest", "hash", "environ"}
	case ProofWorks:
		return []string{"http", "login"}
	case ProofConfigured:
		return []string{"config", "pass"}
	case ProofPresent:
		return []string{"names", "updated", "person"}
	}
	return nil
}

func (c *checker) probe(at place, s Secret, consumer Consumer, rule kindRule) {
	p, kind := consumer.Probe, consumer.Kind
	if !c.text(proofBy(p.Kind) != nil, at.key("kind"), string(p.Kind), oneOf(ProofKinds())) {
		return
	}
	if !c.text(slices.Contains(proofBy(p.Kind), p.By), at.key("by"), p.By,
		oneOf(proofBy(p.Kind))+" for proof of kind "+string(p.Kind)) {
		return
	}
	c.text(slices.Contains(rule.by, p.By), at.key("by"), p.By,
		oneOf(rule.by)+" for a consumer of kind "+string(kind))
	c.probeAddress(at.key("url"), "url", p.URL, p.By, p.By == "attest" || p.By == "http")
	c.probeAddress(at.key("badUrl"), "badUrl", p.BadURL, p.By, p.By == "http")
	c.text(p.BadURL == "" || p.BadURL != p.URL, at.key("badUrl"), p.BadURL, "another address than url: this one must fail")
	counted := p.By == "attest" || p.By == "http"
	c.want(counted || p.Instances == 0, at.key("instances"), "instances", "no instances for by: "+p.By)
	c.want(!counted || p.Instances >= 0 && p.Instances <= maxInstances, at.key("instances"), strconv.Itoa(p.Instances), "a number from 1 to "+strconv.Itoa(maxInstances))
	c.probeFields(at, consumer)
	if (p.By == "hash" && !consumer.Kind.Held()) || p.By == "environ" {
		c.probeVariables(at.key("variables"), s, consumer)
	}
}

// probeFields checks the fields of by: hash and by: environ.
func (c *checker) probeFields(at place, consumer Consumer) {
	p := consumer.Probe
	for _, field := range []struct {
		name, text, by string
		needed         bool
	}{
		{"container", p.Container, "hash", true}, {"region", p.Region, "hash", false},
		{"namespace", p.Namespace, "hash", false}, {"pidFile", p.PidFile, "environ", true},
	} {
		own := at.key(field.name)
		if p.By == "hash" && consumer.Kind.Held() {
			// Checked as one, below.
		} else if p.By != field.by {
			c.want(field.text == "", own, field.name, "no "+field.name+" for by: "+p.By)
		} else if field.needed {
			c.want(field.text != "", own, "nothing", field.name+" for by: "+p.By)
		}
	}
	c.text(p.PidFile == "" || path.IsAbs(p.PidFile), at.key("pidFile"), p.PidFile, "an absolute path")
	if p.By != "hash" {
		c.want(p.By == "environ" || len(p.Variables) == 0, at.key("variables"), "variables", "no variables for by: "+p.By)
		return
	}
	if consumer.Kind.Held() {
		own := p.Container == consumer.Container && p.Namespace == consumer.Namespace && p.Region == consumer.Region && maps.Equal(p.Variables, consumer.Values)
		c.want(own, at, "a place or variables", "only kind and by: a "+string(consumer.Kind)+" is asked about itself")
	}
	scw := c.cat.Services.Scaleway
	c.want(scw.API != "" && scw.AccessKey != "" && scw.SecretKey != "" && scw.Region+p.Region != "", at.key("by"), "hash",
		"services.scaleway with api, region, accessKey and secretKey")
}

// probeVariables: a proof of half of what the consumer holds would be none.
func (c *checker) probeVariables(at place, s Secret, consumer Consumer) {
	proven := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(consumer.Probe.Variables)) {
		own, entry := at.key(name), consumer.Probe.Variables[name]
		c.wantKey(isVariable(name), own, quote(name), variableForm)
		_, found := s.Entry(entry)
		c.text(found, own, entry, "the name of an entry of secret "+s.Name+" ("+strings.Join(entryNames(s), ", ")+")")
		proven[entry] = true
	}
	var missing []string
	for _, e := range s.Entries {
		if consumer.holds(e.Name()) && !proven[e.Name()] {
			missing = append(missing, e.Name())
		}
	}
	found := "nothing"
	if len(proven) > 0 {
		found = "no variable of " + strings.Join(missing, ", ")
	}
	c.want(len(missing) == 0 && len(proven) > 0, at, found, "a variable for each entry that the consumer holds")
}

// holds reports whether the consumer surely has a copy of the entry; one that
// does not list its copies has all.
func (c Consumer) holds(entry string) bool {
	for name, e := range c.Values {
		if e == entry && !slices.Contains(c.Optional, name) {
			return true
		}
	}
	return len(c.Values) == 0
}

func (c *checker) probeAddress(at place, name, address, by string, wanted bool) {
	if wanted {
		c.sealedAddress(at, address)
		return
	}
	c.want(address == "", at, name, "no "+name+" for by: "+by)
}

// wired reports a kind of consumer that the rest of the catalog says nothing
// about.
func (c *checker) wired(at place, s Secret, kind ConsumerKind) {
	services := c.cat.Services
	switch kind {
	case KindWorker:
		cf := services.Cloudflare
		c.want(cf.API != "" && cf.Token != "" && cf.Account != "", at, "worker",
			"services.cloudflare with api, token and account")
	case KindContainer, KindNamespace:
		scw := services.Scaleway
		c.want(scw.API != "" && scw.AccessKey != "" && scw.SecretKey != "", at, string(kind),
			"services.scaleway with api, accessKey and secretKey")
	case KindActions:
		c.want(services.GitHub.API != "" && services.GitHub.Token != "", at, "actions", "services.github with api and token")
	case KindBackend:
		c.want(s.holds(c.cat.State.SecretKey), at, "backend", "state.secretKey to be an entry of secret "+s.Name)
	case KindRegistry:
		c.want(services.Scaleway.Registry != "" && services.Scaleway.Image != "", at, "registry",
			"services.scaleway with registry and image")
		c.want(s.holds(services.Scaleway.SecretKey), at, "registry",
			"services.scaleway.secretKey to be an entry of secret "+s.Name)
	}
}

func (s Secret) holds(path string) bool {
	return slices.ContainsFunc(s.Entries, func(e Entry) bool { return e.Path == path })
}

func entryNames(s Secret) []string {
	names := make([]string, len(s.Entries))
	for i, e := range s.Entries {
		names[i] = e.Name()
	}
	return names
}

func stackNames(c *Catalog) []string {
	names := make([]string, len(c.Stacks))
	for i, s := range c.Stacks {
		names[i] = s.Name
	}
	return names
}
