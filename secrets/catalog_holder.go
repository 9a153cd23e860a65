package secrets

import "strings"

// Held reports whether a declared stack sets the consumer's secrets as
// resources: they have to be given a config key each.
func (k ConsumerKind) Held() bool {
	return k == KindWorker || k == KindContainer || k == KindNamespace || k == KindActions
}

// Holder names what holds the consumer's secrets, for people and for telling
// holders of one kind apart; empty for a kind that is no holder.
func (c Consumer) Holder() string {
	switch c.Kind {
	case KindWorker:
		return c.Worker
	case KindContainer:
		return c.Region + "/" + c.Namespace + "/" + c.Container
	case KindNamespace:
		return c.Region + "/" + c.Namespace
	case KindActions:
		return c.Organization + c.Repository + " " + c.Environment
	}
	return ""
}

// ConfigKey is the config key under which the consumer's stack holds the value
// of that name. A Worker's is made of the name alone (CLERK_SECRET_KEY becomes
// clerk-secret-key), every other holder's of its own name too, since the same
// variable stands at several of them.
func (c Consumer) ConfigKey(name string) string {
	switch c.Kind {
	case KindWorker:
	case KindContainer:
		name = c.Container + "-" + name
	case KindNamespace:
		name = c.Namespace + "-" + name
	case KindActions:
		where := c.Organization + c.Repository
		if c.Environment != "" {
			where += "-" + c.Environment
		}
		name = where + "-" + name
	default:
		return name
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(letters+digits+".-", r) {
			return r
		}
		return '-'
	}, strings.ToLower(name))
}

// fillHolder completes a consumer of a container or namespace: its region, and
// the probe by hash, which asks the place that the consumer is.
func (c *Consumer) fillHolder(region string) {
	if c.Kind != KindContainer && c.Kind != KindNamespace {
		return
	}
	if c.Region == "" {
		c.Region = region
	}
	p := &c.Probe
	if p.By != "hash" {
		return
	}
	// What the probe says itself is not overwritten: the checker refuses it.
	if p.Container == "" && p.Namespace == "" && p.Region == "" && p.Variables == nil {
		p.Container, p.Namespace, p.Region, p.Variables = c.Container, c.Namespace, c.Region, c.Values
	}
}
