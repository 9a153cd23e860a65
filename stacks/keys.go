package stacks

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// Ref is one copy of an entry that a stack holds under a config key.
type Ref struct {
	// Key is the config key, without the project's name.
	Key string
	// Secret is the secret's name and Entry the name of its entry.
	Secret, Entry string
	// Consumer is the consumer's name in the catalog.
	Consumer string
	// Worker is the script's name and Name the secret's name at the Worker, or
	// at Place. For an existing project both are empty and Name is the config
	// key.
	Worker, Name string
	// Place is the holder of any kind but Worker.
	Place hosted.Holder
	// Optional: only set where the stack's config already has the key.
	Optional bool
}

// Holder is what holds this copy; the zero Holder for an existing project.
func (r Ref) Holder(accountID string) hosted.Holder {
	if r.Worker != "" {
		return hosted.Holder{Kind: hosted.Worker, Scope: accountID, Name: r.Worker}
	}
	return r.Place
}

// Resource is the name of the resource that stands for this copy, and property
// the path of its value in the resource's inputs.
func (r Ref) Resource() (name, property string) {
	if r.Worker != "" {
		return r.Worker + "/" + r.Name, "secretText"
	}
	name = string(r.Place.Kind) + "/" + r.Place.Name
	if r.Place.Scope != "" {
		name = string(r.Place.Kind) + "/" + r.Place.Scope + "/" + r.Place.Name
	}
	if r.Place.Kind.Package() == hosted.GitHub {
		return name + "/" + r.Name, "value"
	}
	return name, "secretEnvironmentVariables." + r.Name
}

// place is the holder that a consumer of the catalog is; the zero Holder for a
// Worker, whose account the catalog does not know, and for what is none.
func place(c secrets.Consumer) hosted.Holder {
	switch c.Kind {
	case secrets.KindContainer:
		return hosted.Holder{Kind: hosted.Container, Scope: c.Region + "/" + c.Namespace, Name: c.Container}
	case secrets.KindNamespace:
		return hosted.Holder{Kind: hosted.Namespace, Scope: c.Region, Name: c.Namespace}
	}
	switch {
	case c.Kind != secrets.KindActions:
	case c.Organization != "":
		return hosted.Holder{Kind: hosted.Organization, Name: c.Organization}
	case c.Environment != "":
		return hosted.Holder{Kind: hosted.Environment, Scope: c.Repository, Name: c.Environment}
	default:
		return hosted.Holder{Kind: hosted.Repository, Name: c.Repository}
	}
	return hosted.Holder{}
}

// HolderOf is the holder that a consumer of the catalog is; false if it is none.
func HolderOf(c secrets.Consumer, accountID string) (hosted.Holder, bool) {
	h := Ref{Worker: c.Worker, Place: place(c)}.Holder(accountID)
	return h, h != hosted.Holder{}
}

// Keys maps the config keys of a stack to the entries that they hold: for a
// declared stack one key per secret of its holders, for an existing project
// the keys that the catalog names. A key that the catalog gives to two
// different copies stands for the first; Declared refuses such a stack.
func Keys(cat *secrets.Catalog, stack string) map[string]Ref {
	s, ok := cat.Stack(stack)
	if !ok {
		return nil
	}
	keys := map[string]Ref{}
	for _, ref := range all(cat, s) {
		if _, taken := keys[ref.Key]; !taken {
			keys[ref.Key] = ref
		}
	}
	return keys
}

// refs lists the copies that a stack holds, in the catalog's order. Two copies
// under one key are an error: one of them would get the other's value.
func refs(cat *secrets.Catalog, s secrets.Stack) ([]Ref, error) {
	list := all(cat, s)
	seen := map[string]Ref{}
	for _, ref := range list {
		first, twice := seen[ref.Key]
		if twice {
			return nil, fmt.Errorf("config key %s stands for %s of consumer %s (secret %s) and for %s of consumer %s (secret %s): give one of them a stack of its own",
				ref.Key, first.Name, first.Consumer, first.Secret, ref.Name, ref.Consumer, ref.Secret)
		}
		seen[ref.Key] = ref
	}
	return list, nil
}

func all(cat *secrets.Catalog, s secrets.Stack) []Ref {
	var list []Ref
	for _, secret := range cat.Secrets {
		for _, c := range secret.Consumers {
			if c.Stack != s.Name {
				continue
			}
			for _, name := range slices.Sorted(maps.Keys(c.Values)) {
				ref := Ref{
					Key: name, Secret: secret.Name, Entry: c.Values[name], Consumer: c.Name,
					Name: name, Optional: slices.Contains(c.Optional, name),
				}
				if c.Kind.Held() {
					ref.Key, ref.Worker, ref.Place = c.ConfigKey(name), c.Worker, place(c)
				}
				list = append(list, ref)
			}
		}
	}
	return list
}
