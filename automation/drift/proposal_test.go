package drift

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func found(code Code, subject, secret string, r Repair) Finding {
	f := Finding{Code: code, Subject: subject, Secret: secret, Severity: Error}
	return f.mendedBy(r)
}

func commandsOf(all []Proposal) (out []string) {
	for _, p := range all {
		out = append(out, p.Command())
	}
	return out
}

// The order is that of Verbs; one call does all that it can do at once; what
// changes nothing in the answer is left alone.
func TestProposalsAreJoinedAndOrdered(t *testing.T) {
	accepted := found(ValueDiffers, "c/x", "c", Repair{Roll, "c"})
	accepted.Accepted = &Acceptance{Until: time.Now()}
	info := found(ResourceDrift, "stack/s/r", "", Repair{Anew, "d"})
	info.Severity = Info
	proposals, byHand := Propose([]Finding{
		found(CredentialDead, "e", "e", Repair{Renew, "e"}),
		found(ValueDiffers, "b/x", "b", Repair{Roll, "b"}),
		found(ValueDiffers, "a/x", "a", Repair{Roll, "a"}),
		found(ValueDiffers, "a/y", "a", Repair{Roll, "a"}),
		found(StaleConsumer, "f/x", "f", Repair{Pending, "f"}),
		found(UnfinishedRotation, "g", "g", Repair{GoOn, "g"}),
		found(UnfinishedRotation, "stack/t", "", Repair{Unlock, "t"}),
		found(UnfinishedRotation, "stack/u", "", Repair{Unlock, "u"}),
		found(Unpushed, "pass", "", Repair{Verb: Push}),
		{Code: UnknownEntry, Subject: "z", Severity: Warning, Fix: "by hand"},
		accepted, info,
	})
	require.Equal(t, []string{
		"pass git push",
		"go run . unlock --stack t",
		"go run . unlock --stack u",
		"go run . rotate --secret g",
		"go run . rotate --secret f --pending",
		"go run . adopt --secret a --secret b --roll",
		"go run . rotate --secret e --new",
	}, commandsOf(proposals))
	require.Len(t, proposals[5].Findings, 3)
	require.Len(t, byHand, 1)
	require.Equal(t, "z", byHand[0].Subject)
	require.Equal(t, []Repair{{Roll, "a"}, {Roll, "b"}}, proposals[5].Repairs())
}

// A secret is touched once, by the verb that does what the others would do.
func TestEachSecretHasOneVerb(t *testing.T) {
	for name, c := range map[string]struct {
		verbs []Verb
		want  Verb
	}{
		"dead and stale":       {[]Verb{Roll, Renew}, Renew},
		"edited and overdue":   {[]Verb{GoOn, Pending}, Pending},
		"unfinished and wrong": {[]Verb{GoOn, Roll, Anew}, GoOn},
		"wrong and changed":    {[]Verb{Roll, Anew, Roll}, Anew},
		"adoption cut off":     {[]Verb{Readopt, Roll}, Readopt},
	} {
		var all []Finding
		for _, v := range c.verbs {
			all = append(all, found(ValueDiffers, string(v), "a", Repair{v, "a"}))
		}
		proposals, _ := Propose(all)
		require.Len(t, proposals, 1, name)
		require.Equal(t, c.want, proposals[0].Verb, name)
		require.Len(t, proposals[0].Findings, len(c.verbs), name)
	}
}

// What is only behind is pulled first and alone: the rest was compared with old
// values. What was tried is not proposed again.
func TestAPullComesAlone(t *testing.T) {
	all := []Finding{
		found(ValueDiffers, "a/x", "a", Repair{Roll, "a"}),
		found(Behind, "pass", "", Repair{Verb: Pull}),
		found(Unpushed, "pass", "", Repair{Verb: Push}),
	}
	proposals, _ := Propose(all)
	require.Equal(t, []string{"pass git pull --rebase"}, commandsOf(proposals))
	require.Equal(t, []Repair{{Verb: Pull}}, proposals[0].Repairs())
	proposals, _ = Propose(all, Repair{Verb: Pull}, Repair{Roll, "a"})
	require.Equal(t, []string{"pass git push"}, commandsOf(proposals))
}

// A stack is mended by a secret that is rolled out to it anyway.
func TestAStackIsMendedWithWhatIsRolledOutToIt(t *testing.T) {
	stack := found(ResourceDrift, "stack/s/r", "", Repair{Anew, "b"})
	wrong := found(ValueDiffers, "a/x", "a", Repair{Roll, "a"})
	stack.stack, wrong.stack = "s", "s"
	proposals, _ := Propose([]Finding{wrong, stack})
	require.Equal(t, []string{"go run . adopt --secret a --roll --anew"}, commandsOf(proposals))
	wrong.stack = "t"
	proposals, _ = Propose([]Finding{wrong, stack})
	require.Equal(t, []string{"go run . adopt --secret a --roll", "go run . adopt --secret b --roll --anew"}, commandsOf(proposals))
}

// Nothing can be written to a Worker whose newest version does not serve: its
// deployment is what mends everything there.
func TestWhatDoesNotServeIsDeployedFirst(t *testing.T) {
	stale := found(StaleConsumer, "a/w", "a", Repair{Roll, "a"})
	other := found(StaleConsumer, "a/v", "a", Repair{Roll, "a"})
	stale.holder, other.holder = "worker/w", "worker/v"
	all := settle([]Finding{stale, other, {Code: ForeignChange, Subject: "worker/w" + deployment, Severity: Error, Fix: "deploy it"}})
	require.Equal(t, []string{"deploy it", "go run . adopt --secret a --roll", "deploy it"}, []string{all[0].Fix, all[1].Fix, all[2].Fix})
	proposals, byHand := Propose(all)
	require.Len(t, proposals, 1)
	require.Len(t, byHand, 2)
}

// A call that ended well has mended what a check after it does not find any more, and
// nothing without such a check.
func TestWhatWasMadeIsDoneOnlyAfterAnotherLook(t *testing.T) {
	mending := func(outcome Outcome, findings ...string) Mending {
		return Mending{Outcome: outcome, Findings: findings}
	}
	old := found(OldStillAlive, "clerk", "clerk", Repair{Pending, "clerk"})
	all := []Mending{mending(Made, "old-still-alive:clerk"), mending(Made, "value-differs:stripe/api"), mending(Declined, "old-still-alive:clerk")}
	Confirm(all, &Report{Findings: []Finding{old}})
	require.Equal(t, []Outcome{Unconfirmed, Made, Declined}, []Outcome{all[0].Outcome, all[1].Outcome, all[2].Outcome})
	require.Contains(t, all[0].Error, "old-still-alive:clerk")

	old.Accepted = &Acceptance{}
	all = []Mending{mending(Made, "old-still-alive:clerk")}
	Confirm(all, &Report{Findings: []Finding{old}})
	require.Equal(t, Made, all[0].Outcome, "it is accepted")
	Confirm(all, nil)
	require.Equal(t, Unconfirmed, all[0].Outcome)
}
