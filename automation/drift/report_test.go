package drift

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

func TestAnswer(t *testing.T) {
	wrong, info := Finding{Code: Overdue, Severity: Warning}, Finding{Code: RollbackRisk, Severity: Info}
	accepted := Finding{Code: Overdue, Severity: Error, Accepted: &Acceptance{}}
	gap := []Layer{{Gaps: []Gap{{Subject: "pass"}}}}
	for _, c := range []struct {
		name     string
		findings []Finding
		layers   []Layer
		running  bool
		want     Answer
	}{
		{"nothing", nil, nil, false, Clean},
		{"information alone", []Finding{info}, nil, false, Clean},
		{"accepted", []Finding{accepted}, nil, false, Clean},
		{"drift", []Finding{info, wrong}, nil, false, Drift},
		{"what could not be checked", []Finding{info}, gap, false, Unknown},
		{"drift stands over what could not be checked", []Finding{wrong}, gap, false, Drift},
		{"a rotation", nil, nil, true, InProgress},
		{"a rotation does not hide what could not be checked", nil, gap, true, Unknown},
		{"nor drift elsewhere", []Finding{wrong}, nil, true, Drift},
	} {
		require.Equal(t, c.want, answer(c.findings, c.layers, c.running), c.name)
	}
}

// The same findings come in the same order every night, each once.
func TestFindingsAreSorted(t *testing.T) {
	in := []Finding{{Code: RollbackRisk, Subject: "a"}, {Code: ValueDiffers, Subject: "b"}, {Code: ValueDiffers, Subject: "a", Detail: "first"},
		{Code: ValueDiffers, Subject: "a", Detail: "again"}, {Code: CredentialDead, Subject: "z"}}
	var keys []string
	for _, f := range sortFindings(in) {
		keys = append(keys, f.Key())
	}
	require.Equal(t, []string{"credential-dead:z", "value-differs:a", "value-differs:b", "rollback-risk:a"}, keys)
	require.Len(t, Codes(), 18, "DESIGN section 9 names the codes")
}

// What only follows from something else is not said beside it.
func TestSettle(t *testing.T) {
	missing := Finding{Code: MissingAtConsumer, Subject: "clerk/badges/CLERK", Secret: "clerk"}
	differs := Finding{Code: ValueDiffers, Subject: "clerk/badges", Secret: "clerk"}
	other := Finding{Code: ValueDiffers, Subject: "clerk/badges-2", Secret: "clerk"}
	require.Equal(t, []Finding{missing, other}, settle([]Finding{missing, differs, other}))

	dead := Finding{Code: CredentialDead, Subject: "scaleway", Secret: "scaleway"}
	login := Finding{Code: ValueDiffers, Subject: "scaleway/registry", Secret: "scaleway", consequence: true}
	config := Finding{Code: ValueDiffers, Subject: "scaleway/infra/key", Secret: "scaleway"}
	require.Equal(t, []Finding{dead, config}, settle([]Finding{dead, login, config}))
	require.Equal(t, []Finding{login}, settle([]Finding{login}), "refused alone it is a finding")
}

func TestAcceptedFindingsStayInTheReport(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	until := now.Add(time.Hour)
	accepted := []journal.Acceptance{{Code: "unmanaged-at-consumer", Subject: "worker/badges/*", Until: until, Reason: "theirs", By: "ana"},
		{Code: "overdue", Subject: "clerk", Until: now, Reason: "over"}, {Code: "unknown", Subject: "cloudflare/list", Until: until}}
	out := accept([]Finding{{Code: UnmanagedAtConsumer, Subject: "worker/badges/SENTRY", Severity: Warning},
		{Code: UnmanagedAtConsumer, Subject: "worker/other/SENTRY", Severity: Warning}, {Code: Overdue, Subject: "clerk", Severity: Warning}}, accepted, now)
	require.Len(t, out, 3)
	require.False(t, out[0].Counts())
	require.Equal(t, "theirs", out[0].Accepted.Reason)
	require.True(t, out[1].Counts(), "another Worker's is not meant")
	require.True(t, out[2].Counts(), "its day has come")
	require.True(t, acceptedGap(Gap{Subject: "cloudflare/list"}, accepted, now))
	require.False(t, acceptedGap(Gap{Subject: "cloudflare"}, accepted, now))
}

func TestBelow(t *testing.T) {
	require.True(t, below("clerk/a", "clerk"))
	require.True(t, below("clerk", "clerk"))
	require.False(t, below("clerk-test/a", "clerk"))
	require.False(t, below("clerk", "clerk/a"))
}

// A check that could not begin is unknown in every layer, and never clean.
func TestUnchecked(t *testing.T) {
	r := Unchecked(time.Now(), errors.New("gpg is gone"), "go run . doctor")
	require.Equal(t, Unknown, r.Answer)
	require.Equal(t, Unknown, answer(r.Findings, r.Layers, false))
	require.Len(t, r.Layers, len(LayerNames()))
	raw, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"findings":[]`, "programs read a list, also of nothing")
}

// What somebody works on is no standing but a step.
func TestARotationUnderWayExplainsWhatItTouches(t *testing.T) {
	a := activity{secrets: map[string]bool{"clerk": true}, stacks: map[string]bool{"badges": true}}
	for _, f := range []Finding{{Secret: "clerk"}, {stack: "badges"}} {
		require.True(t, a.finding(f), f)
	}
	for _, f := range []Finding{{Secret: "stripe"}, {stack: "infra"}, {}, {Secret: "clerk-test"}} {
		require.False(t, a.finding(f), f)
	}
	require.True(t, a.gap(Gap{Subject: "clerk/badges"}))
	require.True(t, a.gap(Gap{Subject: "stack/badges/prod"}))
	require.False(t, a.gap(Gap{Subject: "clerk-test"}))
	require.False(t, a.gap(Gap{Subject: "pass/remote"}))
	require.False(t, activity{}.any())
	require.True(t, activity{grace: true}.any())
}

// A rotation that somebody left at a question hides nothing for ever.
func TestALeaseIsNotUnderWayForEver(t *testing.T) {
	s := company(t)
	held := func(ago time.Duration) error { return &journal.HeldError{Name: "clerk", Since: s.Now().Add(-ago)} }
	require.True(t, s.underWay(held(time.Minute)))
	require.False(t, s.underWay(held(7*time.Hour)))
	require.False(t, s.underWay(nil))
	require.False(t, s.underWay(errors.New("the journal cannot be read")))
}
