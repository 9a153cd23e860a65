package secrets

import "slices"

// proofBy says how each kind of proof can be had.
func proofBy(kind ProofKind) []string {
	switch kind {
	case ProofExact:
		return []string{"attest", "config", "pass"}
	case ProofWorks:
		return []string{"http", "login"}
	case ProofPresent:
		return []string{"names", "person"}
	}
	return nil
}

func proofKinds() []ProofKind { return []ProofKind{ProofExact, ProofWorks, ProofPresent} }

func (c *checker) probe(at place, p Probe, kind ConsumerKind, rule kindRule) {
	if !c.text(proofBy(p.Kind) != nil, at.key("kind"), string(p.Kind), oneOf(proofKinds())) {
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
}

func (c *checker) probeAddress(at place, name, address, by string, wanted bool) {
	if wanted {
		c.address(at, address)
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
