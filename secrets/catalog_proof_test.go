package secrets_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// A catalog of before kind: configured stays valid, and says what it proves.
func TestExactByACopyIsReadAsConfigured(t *testing.T) {
	cat, err := parseSmall(t, "{kind: works, by: http, url: 'https://a.example', badUrl: 'https://b.example'}", "{kind: exact, by: config}")
	require.NoError(t, err)
	project, readers := cat.Secrets[0].Consumers[0], cat.Secrets[1].Consumers[2]
	require.Equal(t, secrets.ProofConfigured, project.Probe.Kind)
	require.Equal(t, secrets.ProofConfigured, readers.Probe.Kind)
	require.False(t, project.Verifiable(), "what runs was not asked")
	require.False(t, readers.Verifiable(), "a process may have read it earlier")
	var at []string
	for _, n := range cat.Notices() {
		at = append(at, n.String()[:len("team.yaml:31:23: ")]+n.Where)
	}
	require.Equal(t, []string{"team.yaml:31:23: secrets[cf].consumers[project].probe.kind", "team.yaml:45:36: secrets[key].consumers[pass].probe.kind"}, at)

	own, err := secrets.Embedded()
	require.NoError(t, err)
	require.Empty(t, own.Notices())
}

func TestVerifiable(t *testing.T) {
	for _, c := range []struct {
		kind  secrets.ProofKind
		reads secrets.Reads
		want  bool
	}{
		{secrets.ProofExact, "", true}, {secrets.ProofWorks, "", true}, {secrets.ProofConfigured, "", false}, {secrets.ProofConfigured, secrets.ReadsEachRun, true},
		{secrets.ProofPresent, "", false}, {"guess", secrets.ReadsEachRun, false},
	} {
		require.Equal(t, c.want, secrets.Consumer{Reads: c.reads, Probe: secrets.Probe{Kind: c.kind}}.Verifiable(), c)
	}
	ranks := map[int]bool{}
	for i, k := range secrets.ProofKinds() {
		require.Equal(t, len(secrets.ProofKinds())-i, k.Rank())
		ranks[k.Rank()] = true
	}
	require.Len(t, ranks, 4)
	require.Zero(t, secrets.ProofKind("guess").Rank())
}

// Who takes the value from pass by itself has a new one only after the promotion.
func TestReadsPass(t *testing.T) {
	for _, c := range []struct {
		kind secrets.ConsumerKind
		by   string
		want bool
	}{
		{secrets.KindPass, "pass", true}, {secrets.KindPass, "environ", true}, {secrets.KindPass, "attest", true}, {secrets.KindManual, "environ", true},
		{secrets.KindManual, "person", false}, {secrets.KindConfig, "config", false},
	} {
		require.Equal(t, c.want, secrets.Consumer{Kind: c.kind, Probe: secrets.Probe{By: c.by}}.ReadsPass(), c)
	}
}

// Every secret of the built-in catalog ends without a person's word about a
// consumer: each consumer proves what runs, or takes the value at each use.
func TestEmbeddedConsumersAreVerifiable(t *testing.T) {
	cat, err := secrets.Embedded()
	require.NoError(t, err)
	for _, s := range cat.Secrets {
		for _, c := range s.Consumers {
			require.True(t, c.Verifiable(), "%s at %s", s.Name, c.Name)
		}
	}
}
