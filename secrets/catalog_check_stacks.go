package secrets

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
)

func (c *checker) stacks(at place) {
	for i, s := range c.cat.Stacks {
		own := at.item(i, s.Name)
		if c.text(isName(s.Name), own.key("name"), s.Name, nameForm) {
			c.unique(own.key("name"), "stack", s.Name)
		}
		switch {
		case c.isBroken(own.key("declared").path):
		case s.Declared:
			c.declared(own, s)
		default:
			c.existing(own, s, c.cat.Stacks[:i])
		}
		if s.Backend != "" {
			c.backend(own.key("backend"), s.Backend)
		}
		c.passphrase(own.key("passphrase"), s.Passphrase)
		for j, name := range s.Env {
			c.text(isVariable(name), own.key("env").item(j, ""), name, variableForm)
		}
	}
}

func (c *checker) declared(at place, s Stack) {
	c.text(s.Providers == ProvidersHosted || s.Providers == ProvidersOfficial, at.key("providers"), s.Providers, ProvidersHosted+", "+ProvidersOfficial)
	none := "a declared stack, whose program is built from this catalog"
	c.want(s.Dir == "", at.key("dir"), "dir", "no dir for "+none)
	c.want(s.Stack == "", at.key("stack"), "stack", "no stack for "+none)
	c.want(len(s.Env) == 0, at.key("env"), "env", "no env for "+none)
}

func (c *checker) existing(at place, s Stack, before []Stack) {
	c.want(s.Providers == "", at.key("providers"), "providers", "no providers for an existing project, which has its own")
	if !c.want(s.Dir != "", at.key("dir"), "nothing", "the project's folder, or declared: true") {
		return
	}
	inside := !path.IsAbs(s.Dir) && path.Clean(s.Dir) == s.Dir && s.Dir != ".." && !strings.HasPrefix(s.Dir, "../")
	c.text(inside, at.key("dir"), s.Dir, "a folder below --root, without .. and / at the end")
	c.text(s.Stack == "*" || isStackName(s.Stack), at.key("stack"), s.Stack, "the name of a Pulumi stack, or *")
	for _, other := range before {
		// Left out (the only one) and * both stand for stacks that another may name.
		same := s.Stack == other.Stack || strings.Trim(s.Stack, "*") == "" || strings.Trim(other.Stack, "*") == ""
		c.want(s.Dir != other.Dir || !same, at.key("dir"), "the project of stack "+other.Name+" again",
			"each Pulumi stack only once")
	}
}

// isStackName accepts ORGANIZATION/PROJECT/STACK and its shorter forms, and
// none.
func isStackName(name string) bool { return madeOf(name, letters+digits+"._-/") }

func (c *checker) state(at place) {
	s := c.cat.State
	c.backend(at.key("url"), s.URL)
	if s.AccessKey != "" || s.SecretKey != "" {
		c.reference(at.key("accessKey"), s.AccessKey)
		c.reference(at.key("secretKey"), s.SecretKey)
	}
	c.passphrase(at.key("passphrase"), s.Passphrase)
}

func (c *checker) backend(at place, address string) {
	found, ok := textOrNothing(address), false
	if u, err := url.Parse(address); err == nil {
		ok = u.User == nil && (u.Scheme == "s3" && u.Host != "" || u.Scheme == "file" && u.Host+u.Path != "")
		switch {
		case u.User != nil:
			found = "an address with a user or password in it"
		case otherBackends[u.Scheme] != "":
			found = quote(address) + ", " + otherBackends[u.Scheme] + ", which is not supported"
		}
	}
	if strings.Contains(address, Placeholder) {
		found, ok = textOrNothing(address)+", which was to be replaced", false
	}
	c.want(ok, at, found, "s3://BUCKET?… or file://DIR")
}

// otherBackends are those that the Pulumi CLI has besides.
var otherBackends = map[string]string{
	"https": "Pulumi Cloud", "http": "a Pulumi Cloud of one's own", "gs": "Google Cloud Storage", "azblob": "Azure Blob Storage",
}

// passphrase checks a pass path that need not be an entry of the catalog.
func (c *checker) passphrase(at place, p string) {
	c.text(p == "" || isPassPath(p), at, p, passPathForm)
}

func (c *checker) services(at place) {
	s := c.cat.Services
	for _, service := range []struct{ name, api string }{
		{"cloudflare", s.Cloudflare.API}, {"scaleway", s.Scaleway.API}, {"stripe", s.Stripe.API},
		{"clerk", s.Clerk.API}, {"sightengine", s.Sightengine.API}, {"github", s.GitHub.API},
	} {
		user := slices.IndexFunc(c.cat.Secrets, func(s Secret) bool { return s.Service == service.name })
		own := at.key(service.name).key("api")
		if service.api == "" && user >= 0 {
			c.want(false, own, "nothing", "the API's address, which secret "+c.cat.Secrets[user].Name+" needs")
		} else if service.api != "" {
			c.sealedAddress(own, service.api)
		}
	}
	c.references(at)
	if s.Scaleway.Registry != "" {
		c.sealedAddress(at.key("scaleway").key("registry"), s.Scaleway.Registry)
	}
	namespace, image, ok := strings.Cut(s.Scaleway.Image, "/")
	c.text(s.Scaleway.Image == "" || ok && namespace != "" && image != "", at.key("scaleway").key("image"),
		s.Scaleway.Image, "NAMESPACE/IMAGE")
}

func (c *checker) references(at place) {
	s := c.cat.Services
	for _, reference := range []struct{ service, key, path string }{
		{"cloudflare", "token", s.Cloudflare.Token}, {"cloudflare", "account", s.Cloudflare.Account},
		{"scaleway", "accessKey", s.Scaleway.AccessKey}, {"scaleway", "secretKey", s.Scaleway.SecretKey},
		{"clerk", "publishableKey", s.Clerk.PublishableKey}, {"github", "token", s.GitHub.Token},
	} {
		if reference.path != "" {
			c.reference(at.key(reference.service).key(reference.key), reference.path)
		}
	}
	for i, zone := range s.Cloudflare.Zones {
		c.reference(at.key("cloudflare").key("zones").item(i, ""), zone)
	}
}

func (c *checker) environments(at place) {
	for i, e := range c.cat.Environments {
		own := at.item(i, e.Name)
		if c.text(isName(e.Name), own.key("name"), e.Name, nameForm) {
			c.unique(own.key("name"), "environment", e.Name)
		}
		c.want(len(e.Variables)+len(e.Text) > 0, own, "no variable", "variables or text")
		for _, name := range slices.Sorted(maps.Keys(e.Variables)) {
			c.wantKey(isVariable(name), own.key("variables").key(name), quote(name), variableForm)
			c.reference(own.key("variables").key(name), e.Variables[name])
		}
		for _, name := range slices.Sorted(maps.Keys(e.Text)) {
			own := own.key("text").key(name)
			_, both := e.Variables[name]
			c.wantKey(isVariable(name), own, quote(name), variableForm)
			c.wantKey(!both, own, fmt.Sprintf("%s, which variables sets already", name), "each variable once")
		}
	}
}
