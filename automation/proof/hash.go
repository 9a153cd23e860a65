package proof

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
)

// hash compares the wanted values with the argon2id hashes of the secret
// variables that Scaleway's API shows of a container. They are of what the
// container was given; it runs with that only once it is ready and without a
// failed deployment.
func (a *Asker) hash(ctx context.Context, q Question) (Answer, string) {
	if a.Hashes == nil {
		return Unknown, "there is no way to ask Scaleway"
	}
	got, err := a.Hashes(ctx, q.Consumer.Probe)
	switch kind := services.KindOf(err); {
	case err != nil && (kind == services.NotFound || kind == services.Rejected):
		return Unknown, err.Error()
	case err != nil:
		return Unreachable, err.Error()
	case got.Unfit != "":
		return Unknown, got.Unfit
	}
	return compare(q, "the container", func(name string, want services.Credential, entry string) (bool, string) {
		if why := got.Shadowed[name]; why != "" {
			return false, why
		}
		hash, ok := got.Hashes[name]
		if !ok {
			return false, "the container shows no hash of " + name
		}
		same, err := scaleway.MatchesHash(want[entry], hash)
		if err != nil {
			return false, "the hash of " + name + ": " + err.Error()
		}
		return same, ""
	})
}

// matcher compares one variable with the entry of a credential; unclear says
// why that cannot be told.
type matcher func(variable string, want services.Credential, entry string) (same bool, unclear string)

// compare asks a matcher about every variable of the probe. It is a match only
// if all of them are; an empty value proves nothing.
func compare(q Question, what string, same matcher) (Answer, string) {
	variables := q.Consumer.Probe.Variables
	names := slices.Sorted(maps.Keys(variables))
	for _, name := range names {
		if q.Want[variables[name]].IsZero() {
			return Unknown, "no value of " + variables[name] + " is known to compare with"
		}
	}
	var other []string
	for _, name := range names {
		ok, unclear := same(name, q.Want, variables[name])
		if unclear != "" {
			return Unknown, unclear
		}
		if !ok {
			other = append(other, name)
		}
	}
	switch {
	case len(names) == 0:
		return Unknown, "its probe names no variable"
	case len(other) == 0:
		return Match, what + " has this value"
	}
	for _, k := range q.Known {
		if allSame(variables, k.Values, same) {
			return Differs, what + " has " + k.Name
		}
	}
	return Differs, what + " has another value in " + strings.Join(other, ", ")
}

func allSame(variables map[string]string, want services.Credential, same matcher) bool {
	for name, entry := range variables {
		if ok, _ := same(name, want, entry); !ok || want[entry].IsZero() {
			return false
		}
	}
	return true
}
