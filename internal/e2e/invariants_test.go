package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// second is a moment of the told history.
func second(n float64) time.Time {
	return time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC).Add(time.Duration(n * float64(time.Second)))
}

func moment(n float64) *time.Time {
	at := second(n)
	return &at
}

// told is a small good history of a Cloudflare token with a Worker that runs
// with it: killed once, then taken to its end.
func told() history {
	old := trueCredential{Service: "cloudflare", ID: "t1", Entry: "api-token", Value: "old value", Alive: true, IssuedAt: second(-1000)}
	other := trueCredential{Service: "clerk", ID: "c1", Entry: "secret-key", Value: "clerk's", Alive: true, IssuedAt: second(-1000)}
	now := trueCredential{Service: "cloudflare", ID: "t2", Entry: "api-token", Value: "new value", Alive: true, IssuedAt: second(2.5)}
	gone := old
	gone.Alive, gone.RevokedAt = false, moment(20.2)
	h := history{
		secret: "cloudflare", service: "cloudflare", paths: map[string]string{"api-token": "cloudflare/api-token"},
		doors: []string{"api-token"}, consumers: []string{"worker"},
		old: map[string]trueCredential{"api-token": old}, now: map[string]trueCredential{"api-token": now},
		before: standingWorld("old value", old, other), after: standingWorld("new value", gone, other, now),
		runs:  []ranOnce{{began: second(0), ended: second(9), killed: true, code: -1}, {began: second(10), ended: second(30)}},
		looks: 100,
	}
	h.rests = []rest{
		{at: second(9.5), live: map[string][]string{"api-token": {"t1", "t2"}}, kept: map[string]bool{"t1": true, "t2": true}, used: map[string]bool{"t1": true}},
		{at: second(31), live: map[string][]string{"api-token": {"t2"}}, kept: map[string]bool{"t2": true}, used: map[string]bool{"t2": true}},
	}
	h.probes = []probe{{at: second(1), consumer: "worker", ran: map[string]string{"TOKEN": "t1", "USER": "se-1-api-user", "SECRET": "se-1-api-secret"}},
		{at: second(12), consumer: "worker", ran: map[string]string{"TOKEN": "t2", "USER": "se-1-api-user", "SECRET": "se-1-api-secret"}}}
	h.requests = []api.Request{
		{Time: second(2.6), Service: "cloudflare", Method: "POST", Path: "/user/tokens", Status: 200, CredentialID: "t1", RunID: "r1"},
		{Time: second(12), Service: "cloudflare", Method: "PATCH", Path: "/secrets-bulk", Status: 200, CredentialID: "t1", RunID: "r2"},
		{Time: second(19), Service: "cloudflare", Method: "GET", Path: "/user/tokens/verify", Status: 200, CredentialID: "t2", RunID: "r2"},
		{Time: second(20.2), Service: "cloudflare", Method: "DELETE", Path: "/user/tokens/t1", Status: 200, CredentialID: "t2", RunID: "r2"},
		{Time: second(20.5), Service: "cloudflare", Method: "GET", Path: "/user/tokens/verify", Status: 401, CredentialID: "t1", RunID: "r2"},
	}
	h.commits = []commit{{second(3), "a", "Stage new api-token of cloudflare (rotation x)", []string{"rotation/pending/cloudflare/api-token.gpg"}},
		{second(16), "b", "Rotate cloudflare: api-token (rotation x)", []string{"cloudflare/api-token.gpg"}}}
	h.pushes = []push{{second(3), "a"}, {second(16), "b"}}
	h.events = toldEvents()
	for i := range h.events {
		h.sums = append(h.sums, "sum of "+h.events[i].Step)
		if i > 0 {
			h.events[i].Prev = h.sums[i-1]
		}
	}
	return h
}

func standingWorld(value string, credentials ...trueCredential) world.Truth {
	runs := map[string]string{"TOKEN": value, "CLERK": "clerk's"}
	return world.Truth{Credentials: credentials,
		Workers:   map[string]world.TrueWorker{"worker": {Deployed: "v", Versions: []world.TrueVersion{{ID: "v", Secrets: runs}}}},
		Consumers: map[string]world.TrueConsumer{"worker": {RunsWith: runs}}}
}

func toldEvents() []journal.Event {
	first, second1 := journal.Holder{PID: 1, Started: "1"}, journal.Holder{PID: 2, Started: "2"}
	asked := map[string]journal.Move{"api-token": {From: "f-old"}}
	have := map[string]journal.Move{"api-token": {From: "f-old", To: "f-new"}}
	promoted := map[string]secrets.Fingerprint{"api-token": "f-new"}
	proofs := []journal.Answer{{Consumer: "worker", Proof: "exact", Answer: "match", At: second(18)}}
	events := []journal.Event{
		{State: journal.Planned, Time: second(1), Holder: first, Entries: asked},
		{State: journal.Staging, Time: second(2), Holder: first, Entries: asked},
		{State: journal.Staging, Time: second(2.9), Holder: first, Entries: have},
		{State: journal.Deploying, Time: second(11), Holder: second1, Entries: have},
		{State: journal.Verified, Time: second(14), Holder: second1, Entries: have},
		{State: journal.Promoted, Time: second(15), Holder: second1, Entries: have},
		{State: journal.Grace, Time: second(17), Holder: second1, Entries: have, Promoted: promoted},
		{State: journal.Grace, Time: second(19), Holder: second1, Entries: have, Promoted: promoted, Answers: proofs},
		{State: journal.Revoking, Time: second(20), Holder: second1, Entries: have, Promoted: promoted, Answers: proofs},
		{State: journal.Done, Time: second(22), Holder: second1, Entries: have, Promoted: promoted, Answers: proofs, RevokedAt: second(21)},
	}
	for i := range events {
		events[i].Number, events[i].Rotation, events[i].Step = i+1, "x", strings.Repeat("i", i+1)
	}
	return events
}

// toldBack is the same rotation, taken back.
func toldBack() history {
	h := told()
	old := h.old["api-token"]
	died := h.now["api-token"]
	died.Alive, died.RevokedAt = false, moment(20.2)
	h.now = h.old
	h.after = standingWorld("old value", old, h.before.Credentials[1], died)
	h.rests[1] = rest{at: second(31), live: map[string][]string{"api-token": {"t1"}}, kept: map[string]bool{"t1": true}, used: map[string]bool{"t1": true}}
	h.requests[3].Path, h.requests[4].CredentialID = "/user/tokens/t2", "t2"
	h.commits[1].subject = "Roll back cloudflare: api-token (rotation x)"
	for i := 4; i < len(h.events); i++ {
		h.events[i].State, h.events[i].RevokedAt, h.events[i].Promoted = journal.RollingBack, time.Time{}, nil
	}
	end := &h.events[len(h.events)-1]
	end.State, end.Promoted = journal.RolledBack, map[string]secrets.Fingerprint{"api-token": "f-old"}
	return h
}

func TestAGoodHistoryBreaksNothing(t *testing.T) {
	require.NoError(t, told().broken())
	require.NoError(t, toldBack().broken())
	require.Len(t, rules(), 17)
}

// Every invariant goes red on a history that breaks it.
func TestEveryInvariantCanFail(t *testing.T) {
	last := func(h *history) *journal.Event { return &h.events[len(h.events)-1] }
	for name, doctor := range map[string]func(h *history){
		"I1 availability: a consumer with a dead credential": func(h *history) { h.probes[1].dead = []string{"TOKEN"} },
		"I1 availability: nobody asked":                      func(h *history) { h.looks = 0 },
		"I2 no loss: the value in use is in no store":        func(h *history) { h.rests[0].kept["t1"] = false },
		"I2 no loss: an orphan at the end":                   func(h *history) { h.rests[1].live["api-token"] = []string{"t2", "t3"} },
		"I3 no early revoke: before the proof":               func(h *history) { h.after.Credentials[0].RevokedAt, h.requests[3].Time = moment(13), second(13) },
		"I3 no early revoke: disabled before the proof": func(h *history) {
			h.requests = append([]api.Request{{Time: second(17.5), Service: "cloudflare", Method: "PUT", Path: "/user/tokens/t1", Status: 200, RunID: "r2"}}, h.requests...)
		},
		"I3 no early revoke: written after the proof": func(h *history) {
			h.requests = append(h.requests, api.Request{Time: second(18.5), Service: "cloudflare", Method: "PATCH", Path: "/secrets-bulk", Status: 200, RunID: "r2"})
		},
		"I3 no early revoke: on hold": func(h *history) { h.events[8].Hold = &journal.Hold{} },
		"I3 no early revoke: present only": func(h *history) {
			h.events[8].Answers = []journal.Answer{{Consumer: "worker", Proof: "present", Answer: "match", At: second(18)}}
		},
		"I3 no early revoke: not pushed":           func(h *history) { h.pushes[1].at = second(21) },
		"I3 no early revoke: not promoted":         func(h *history) { h.commits = h.commits[:1] },
		"I4 bound: three at rest":                  func(h *history) { h.rests[0].live["api-token"] = []string{"t1", "t2", "t3"} },
		"I4 bound: two at the end":                 func(h *history) { h.rests[1].live["api-token"] = []string{"t1", "t2"} },
		"I4 bound: issued beside a good one":       func(h *history) { h.after.Credentials[2].IssuedAt = second(3.5) },
		"I4 bound: four ever":                      func(h *history) { four(h) },
		"I5 one writer: events interleave":         func(h *history) { h.events[5].Holder = h.events[0].Holder },
		"I5 one writer: a number twice":            func(h *history) { h.events[5].Number = 5 },
		"I5 one writer: requests interleave":       func(h *history) { h.requests[3].RunID = "r1" },
		"I6 idempotence: a secret is gone":         func(h *history) { delete(h.after.Consumers["worker"].RunsWith, "CLERK") },
		"I6 idempotence: two live":                 func(h *history) { h.after.Credentials[0].Alive = true },
		"I7 pairs: half a pair":                    func(h *history) { h.probes[1].ran["SECRET"] = "se-2-api-secret" },
		"I8 journal before effect: issued first":   func(h *history) { h.after.Credentials[2].IssuedAt = second(1.5) },
		"I8 journal before effect: written first":  func(h *history) { h.requests[1].Time = second(10.5) },
		"I8 journal before effect: revoked first":  func(h *history) { h.after.Credentials[0].RevokedAt = moment(19.5) },
		"I8 journal before effect: promoted first": func(h *history) { h.commits[1].at = second(13) },
		"I9 date: no date":                         func(h *history) { last(h).RevokedAt = time.Time{} },
		"I9 date: before the refusal":              func(h *history) { last(h).RevokedAt = second(19) },
		"I9 date: never refused":                   func(h *history) { h.requests[4].Status = 200 },
		"I9 date: refused before its death only":   func(h *history) { h.requests[4].Time = second(20.1) },
		"I9 date: a consumer with the old value":   func(h *history) { h.after.Consumers["worker"].RunsWith["TOKEN"] = "old value" },
		"I9 date: the present one is dead":         func(h *history) { c := h.now["api-token"]; c.Alive = false; h.now["api-token"] = c },
		"I9 date: a date without DONE":             func(h *history) { last(h).State = journal.Revoking },
		"I10 hygiene: a value in a log":            func(h *history) { h.leaks = []string{"stderr"} },
		"I11 bystanders: another one is dead":      func(h *history) { h.after.Credentials[1].Alive = false },
		"I11 bystanders: another one is gone":      func(h *history) { h.after.Credentials = h.after.Credentials[2:] },
		"I11 bystanders: another one is made": func(h *history) {
			h.after.Credentials = append(h.after.Credentials, trueCredential{Service: "stripe", ID: "s"})
		},
		"I11 bystanders: another secret is written": func(h *history) { h.after.Consumers["worker"].RunsWith["CLERK"] = "x" },
		"I11 bystanders: another entry is written":  func(h *history) { h.commits[1].paths = []string{"verifieddit/clerk/secret-key.gpg"} },
		"I12 liveness: blocked":                     func(h *history) { last(h).State = journal.Blocked },
		"I12 liveness: never ends well":             func(h *history) { h.runs[1].code = 1 },
		"I12 liveness: too often":                   func(h *history) { h.runs = append(h.runs, h.runs[1], h.runs[1], h.runs[1]) },
		"I12 liveness: a lease is left":             func(h *history) { h.leftovers = []string{"lease"} },
		"I14 looking is pure: status writes":        func(h *history) { h.rests[0].moved = []string{"state"} },
		"I15 own ladder: never tried":               func(h *history) { h.requests[2].CredentialID, h.requests[1].CredentialID = "t1", "t1" },
		"I16 no ghosts: between the runs":           func(h *history) { h.requests[1].Time = second(9.5) },
		"I16 no ghosts: of an ended run":            func(h *history) { h.requests[2].RunID = "r1" },
		"I17 monotony: the chain":                   func(h *history) { h.events[4].Prev = "another" },
		"I17 monotony: back without a rollback": func(h *history) {
			h.events[1].Promoted = map[string]secrets.Fingerprint{"api-token": "f-new"}
			h.events[2].Promoted = map[string]secrets.Fingerprint{"api-token": "f-old"}
		},
	} {
		t.Run(name, func(t *testing.T) { goesRed(t, name, told(), doctor) })
	}
	for name, doctor := range map[string]func(h *history){
		"I13 rollback: the old one is dead": func(h *history) {
			c := h.now["api-token"]
			c.Alive = false
			h.now = map[string]trueCredential{"api-token": c}
		},
		"I13 rollback: the new one lives":      func(h *history) { h.after.Credentials[2].Alive = true },
		"I13 rollback: the record moved":       func(h *history) { last(h).Promoted = map[string]secrets.Fingerprint{"api-token": "f-new"} },
		"I13 rollback: a consumer has the new": func(h *history) { h.after.Consumers["worker"].RunsWith["TOKEN"] = "new value" },
		"I9 date: rolled back with a date":     func(h *history) { last(h).RevokedAt = second(21) },
	} {
		t.Run(name, func(t *testing.T) { goesRed(t, name, toldBack(), doctor) })
	}
}

func goesRed(t *testing.T, name string, h history, doctor func(h *history)) {
	doctor(&h)
	rule, _, _ := strings.Cut(name, ":")
	err := h.broken()
	require.Error(t, err, "nothing was noticed")
	require.Contains(t, err.Error(), rule+": ")
}

// four living ones at a time, never at rest.
func four(h *history) {
	for _, id := range []string{"t3", "t4"} {
		h.after.Credentials = append(h.after.Credentials, trueCredential{Service: "cloudflare", ID: id, Entry: "api-token", Value: id,
			IssuedAt: second(2.6), RevokedAt: moment(2.8)})
	}
}
