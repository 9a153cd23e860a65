package stacks

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Ref is one copy of an entry that a stack holds under a config key.
type Ref struct {
	// Key is the config key, without the project's name.
	Key string
	// Secret is the secret's name and Entry the name of its entry.
	Secret, Entry string
	// Consumer is the consumer's name in the catalog.
	Consumer string
	// Worker is the script's name and Name the secret's name at the Worker.
	// For an existing project Worker is empty and Name is the config key.
	Worker, Name string
	// Optional: only set where the stack's config already has the key.
	Optional bool
}

// Keys maps the config keys of a stack to the entries that they hold: for a
// declared stack one key per secret of its Workers, for an existing project
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
				if c.Kind == secrets.KindWorker {
					ref.Key, ref.Worker = ConfigKey(name), c.Worker
				}
				list = append(list, ref)
			}
		}
	}
	return list
}
