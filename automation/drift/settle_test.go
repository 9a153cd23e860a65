package drift

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

func finding(code Code, subject string, r Repair) Finding {
	return Finding{Code: code, Subject: subject, Severity: Error, Secret: r.Name, Repair: r}
}

func commands(all []Finding, skip ...Repair) (out []string) {
	proposals, _ := Propose(all, skip...)
	for _, p := range proposals {
		out = append(out, p.Command())
	}
	return out
}

func TestProposals(t *testing.T) {
	stuck := finding(ValueDiffers, "clerk/badges", Repair{Roll, "clerk"})
	lost := finding(MissingAtConsumer, "sightengine/badges/API", Repair{Roll, "sightengine"})
	dead := finding(CredentialDead, "stripe", Repair{Renew, "stripe"})
	token := finding(CredentialDead, "cloudflare", Repair{Renew, "cloudflare"})
	token.own = true
	behind := finding(Behind, "pass", Repair{Verb: Pull})
	info, accepted := stuck, lost
	info.Severity, accepted.Accepted = Info, &Acceptance{}

	require.Equal(t, []string{"go run . adopt --secret clerk --secret sightengine --roll"}, commands([]Finding{stuck, lost}), "one up does both")
	require.Equal(t, []string{"go run . rotate --secret cloudflare --new", "go run . rotate --secret stripe --new"}, commands([]Finding{dead, token}),
		"each alone, and first what this program stands on")
	require.Equal(t, []string{"pass git pull --rebase"}, commands([]Finding{stuck, behind}), "what was compared is old")
	require.Empty(t, commands([]Finding{info, accepted}))
	require.Empty(t, commands([]Finding{stuck}, Repair{Roll, "clerk"}), "what was tried is not tried again")

	old := finding(CredentialDead, "clerk", Repair{Renew, "clerk"})
	require.Equal(t, []string{"go run . rotate --secret clerk --new"}, commands([]Finding{old, stuck}), "each secret is touched once")

	_, byHand := Propose([]Finding{{Code: UnlistedCredential, Subject: "cloudflare/1", Severity: Warning}, stuck})
	require.Len(t, byHand, 1)
}

// Of what one holder lacks none can be adopted alone, so all go the same way.
func TestSecretsOfOneHolderAreMendedTogether(t *testing.T) {
	a, b := finding(ValueDiffers, "clerk/badges", Repair{Roll, "clerk"}), finding(ForeignChange, "worker/badges", Repair{Anew, "sightengine"})
	a.holder, b.holder = "worker/badges", "worker/badges"
	require.Equal(t, []string{"go run . adopt --secret clerk --secret sightengine --roll --anew"}, commands([]Finding{a, b}))
}

func TestRepairsAreSeenInTheLightOfEachOther(t *testing.T) {
	config := finding(ValueDiffers, "clerk/payments/clerk-secret-key", Repair{Roll, "clerk"})
	config.stack = "payments"
	drifted := Finding{Code: ResourceDrift, Subject: "stack/payments/container", Severity: Warning, stack: "payments"}.mendedBy(Repair{Anew, "stripe"})
	loose := notShared(rollout.FileState{ConfigFile: rollout.ConfigFile{Stack: "payments", Path: "/repo/infra/Pulumi.prod.yaml"}})[0]
	out := settle([]Finding{config, drifted, loose})
	require.Equal(t, "go run . adopt --secret clerk --roll", out[1].Fix, "an up for the sake of stripe would roll the foreign key out")
	require.Equal(t, "git -C /repo/infra diff -- Pulumi.prod.yaml", out[2].Fix, "what is not pass's is not to be committed")
	require.Contains(t, loose.Fix, "commit", "alone it is")

	a, b := finding(MissingAtConsumer, "clerk/badges/CLERK", Repair{Roll, "clerk"}).mendedBy(Repair{Roll, "clerk"}), finding(MissingAtConsumer, "sight/badges/API", Repair{Roll, "sight"}).mendedBy(Repair{Roll, "sight"})
	a.holder, b.holder = "worker/badges", "worker/badges"
	for _, f := range settle([]Finding{a, b}) {
		require.Equal(t, "go run . adopt --secret clerk --secret sight --roll", f.Fix)
	}
}

// What is pasted without a thought must not hide a living credential that nobody
// knows: the command that accepts it stands in the detail alone.
func TestAStrangerIsNotAcceptedByItsFix(t *testing.T) {
	s := company(t)
	sec, _ := s.Catalog.Secret("cloudflare")
	for label, severity := range map[string]Severity{"made by hand": Warning, "rot/cloudflare/1": Error} {
		var out sheet
		s.stranger("cloudflare", sec, services.Issued{ID: "0123abcd", Label: label}, "0123abcd", &out)
		require.Len(t, out.findings, 1)
		f := out.findings[0]
		require.Equal(t, "unlisted-credential:cloudflare/0123abcd", f.Key())
		require.Equal(t, severity, f.Severity)
		require.Regexp(t, "^# at https://dash.cloudflare.com/", f.Fix)
		require.Contains(t, f.Detail, "go run . drift accept unlisted-credential:cloudflare/0123abcd ")
		require.Zero(t, f.Repair)
	}
}
