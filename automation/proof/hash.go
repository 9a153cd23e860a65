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
func (a *Asker) hash(ctx context.Context, q Question, r *Result) {
	if a.Hashes == nil {
		r.say(Unknown, "there is no way to ask Scaleway")
		return
	}
	got, err := a.Hashes(ctx, q.Consumer.Probe)
	switch kind := services.KindOf(err); {
	case err != nil && (kind == services.NotFound || kind == services.Rejected):
		r.say(Unknown, err.Error())
		return
	case err != nil:
		r.say(Unreachable, err.Error())
		return
	case got.Unfit != "":
		r.say(Unknown, got.Unfit)
		return
	}
	r.compare(q, "the container", func(name string, want services.Credential, entry string) (bool, string) {
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
func (r *Result) compare(q Question, what string, same matcher) {
	variables := q.Consumer.Probe.Variables
	names := slices.Sorted(maps.Keys(variables))
	for _, name := range names {
		if q.Want[variables[name]].IsZero() {
			r.say(Unknown, "no value of "+variables[name]+" is known to compare with")
			return
		}
	}
	var other []string
	for _, name := range names {
		ok, unclear := same(name, q.Want, variables[name])
		if unclear != "" {
			r.say(Unknown, unclear)
			return
		}
		if !ok {
			other = append(other, name)
		}
	}
	switch {
	case len(names) == 0:
		r.say(Unknown, "its probe names no variable")
		return
	case len(other) == 0:
		r.say(Match, what+" has this value")
		return
	}
	for _, k := range q.Known {
		if allSame(variables, k.Values, same) {
			r.say(Differs, what+" has "+k.Name)
			r.Has = k.Name
			return
		}
	}
	r.say(Differs, what+" has another value in "+strings.Join(other, ", "))
}

func allSame(variables map[string]string, want services.Credential, same matcher) bool {
	for name, entry := range variables {
		if ok, _ := same(name, want, entry); !ok || want[entry].IsZero() {
			return false
		}
	}
	return true
}
