package proof

import (
	"context"
	"errors"
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
)

func hashQuestion(known ...Known) Question {
	return Question{Secret: sightengine, Want: newPair, Known: known, Consumer: secrets.Consumer{
		Name: "container", Kind: secrets.KindManual, Probe: secrets.Probe{Kind: secrets.ProofExact, By: "hash", Container: "c",
			Variables: map[string]string{"API_USER": "api-user", "API_SECRET": "api-secret"}},
	}}
}

// hashesOf is what Scaleway shows of a container that was given these values.
func hashesOf(t *testing.T, c services.Credential) map[string]string {
	t.Helper()
	out := map[string]string{}
	for variable, entry := range hashQuestion().Consumer.Probe.Variables {
		h, err := argon2id.CreateHash(string(c[entry].Reveal()), &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
		require.NoError(t, err)
		out[variable] = h
	}
	return out
}

func askHash(t *testing.T, q Question, got scaleway.Hashed, err error) Result {
	t.Helper()
	a := asker()
	a.Hashes = func(_ context.Context, p secrets.Probe) (scaleway.Hashed, error) {
		require.Equal(t, "c", p.Container)
		return got, err
	}
	r := a.Ask(t.Context(), q)
	require.NotContains(t, r.Detail, "secret-new")
	require.NotContains(t, r.Detail, "argon2id$")
	return r
}

func TestHashSaysWhatTheContainerHolds(t *testing.T) {
	old := Known{"the previous value", oldPair}
	half, without := hashesOf(t, newPair), hashesOf(t, newPair)
	half["API_SECRET"] = hashesOf(t, oldPair)["API_SECRET"]
	delete(without, "API_USER")
	swapped := hashesOf(t, newPair)
	swapped["API_USER"], swapped["API_SECRET"] = swapped["API_SECRET"], swapped["API_USER"]
	foreign := hashesOf(t, newPair)
	foreign["API_USER"] = "$argon2id$v=19$m=4294967295,t=9,p=9$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"
	for name, c := range map[string]struct {
		got  scaleway.Hashed
		want Answer
		says string
	}{
		"both new":                   {scaleway.Hashed{Hashes: hashesOf(t, newPair)}, Match, "this value"},
		"both old":                   {scaleway.Hashed{Hashes: hashesOf(t, oldPair)}, Differs, "the previous value"},
		"half a rotation":            {scaleway.Hashed{Hashes: half}, Differs, "API_SECRET"},
		"the two exchanged":          {scaleway.Hashed{Hashes: swapped}, Differs, "API_USER"},
		"of another value":           {scaleway.Hashed{Hashes: hashesOf(t, pair("3", "4"))}, Differs, "another value"},
		"new, but not ready":         {scaleway.Hashed{Hashes: hashesOf(t, newPair), Unfit: "not ready"}, Unknown, "not ready"},
		"a variable is missing":      {scaleway.Hashed{Hashes: without}, Unknown, "API_USER"},
		"nothing":                    {scaleway.Hashed{}, Unknown, "no hash"},
		"a hash that costs too much": {scaleway.Hashed{Hashes: foreign}, Unknown, "cost"},
	} {
		t.Run(name, func(t *testing.T) {
			r := askHash(t, hashQuestion(old), c.got, nil)
			require.Equal(t, c.want, r.Answer, r.Detail)
			require.Contains(t, r.Detail, c.says)
		})
	}
}

func TestHashThatCannotBeHad(t *testing.T) {
	fault := func(k services.Kind) error { return &services.Error{Service: "scaleway", Kind: k, Message: "m"} }
	for want, errs := range map[Answer][]error{
		Unknown:     {fault(services.NotFound), fault(services.Rejected)},
		Unreachable: {fault(services.Outage), fault(services.Auth), errors.New("pass is locked")},
	} {
		for _, err := range errs {
			require.Equal(t, want, askHash(t, hashQuestion(), scaleway.Hashed{Hashes: hashesOf(t, newPair)}, err).Answer)
		}
	}
	require.Equal(t, Unknown, asker().Ask(t.Context(), hashQuestion()).Answer, "no way to Scaleway")
}

// TestNothingIsProvenByNothing: an empty value and a probe without variables
// match anything.
func TestNothingIsProvenByNothing(t *testing.T) {
	empty := pair("", "")
	q := hashQuestion()
	q.Want = empty
	require.Equal(t, Unknown, askHash(t, q, scaleway.Hashed{Hashes: hashesOf(t, empty)}, nil).Answer)
	q = hashQuestion()
	q.Consumer.Probe.Variables = nil
	require.Equal(t, Unknown, askHash(t, q, scaleway.Hashed{Hashes: hashesOf(t, newPair)}, nil).Answer)
}
