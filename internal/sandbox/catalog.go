package sandbox

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Catalog is c with this world's addresses in the place of the real ones: of
// the services, of the consumers' probes and of the state. Where the state lies
// in a folder, no copy of a credential gives access to it, and consumers of kind
// backend are left out.
func (s *Sandbox) Catalog(c *secrets.Catalog) *secrets.Catalog {
	out := *c
	out.State = secrets.State{URL: s.Backend()}
	out.Store.Recipients = nil // the world has a key of its own
	if s.kind == BackendS3 {
		out.State.AccessKey, out.State.SecretKey = accessKeyPath, secretKeyPath
	}
	sv := &out.Services
	sv.Cloudflare.API = s.servers.url(world.Cloudflare) + "/client/v4"
	sv.Scaleway.API = s.servers.url(world.Scaleway)
	sv.Scaleway.Registry = s.servers.url(registryServer)
	sv.Stripe.API = s.servers.url(world.Stripe)
	sv.Clerk.API = s.servers.url(world.Clerk) + "/v1"
	if sv.GitHub.API != "" {
		sv.GitHub.API = s.servers.url(world.GitHub)
	}
	sv.Sightengine.API = s.servers.url(world.Sightengine)
	out.Secrets = slices.Clone(c.Secrets)
	for i, secret := range out.Secrets {
		var consumers []secrets.Consumer
		for _, consumer := range secret.Consumers {
			if consumer.Kind == secrets.KindBackend && s.kind != BackendS3 {
				continue
			}
			consumer.Probe.URL = s.local(consumer, consumer.Probe.URL)
			consumer.Probe.BadURL = s.local(consumer, consumer.Probe.BadURL)
			consumers = append(consumers, consumer)
		}
		out.Secrets[i].Consumers = consumers
	}
	out.Stacks = slices.Clone(c.Stacks)
	for i := range out.Stacks {
		out.Stacks[i].Backend, out.Stacks[i].Passphrase = "", ""
	}
	return &out
}

// local keeps a probe's path and takes it to the consumer of this world. One
// that the world has not goes nowhere: never to the real address. A loopback
// address is none: a person put a consumer of their own there.
func (s *Sandbox) local(consumer secrets.Consumer, address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || net.ParseIP(u.Hostname()).IsLoopback() {
		return address
	}
	host, ok := s.servers.addresses[consumer.Name]
	if !ok {
		host = "127.0.0.1:0"
	}
	u.Scheme, u.Host = "http", host
	return u.String()
}

// ConsumerURL is where a consumer of this world answers, without a path; empty
// if there is none of that name.
func (s *Sandbox) ConsumerURL(name string) string {
	if _, ok := s.servers.addresses[name]; !ok || !strings.Contains(name, "-") {
		return ""
	}
	return s.servers.url(name)
}
