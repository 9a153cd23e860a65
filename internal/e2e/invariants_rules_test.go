package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// rule is one invariant; it returns what breaks it.
type rule struct {
	name  string
	holds func(h history) error
}

// rules are I1..I17 of the design's list.
func rules() []rule {
	return []rule{
		{"I1 availability", availability}, {"I2 no loss", noLoss}, {"I3 no early revoke", noEarlyRevoke},
		{"I4 bound", bound}, {"I5 one writer", oneWriter}, {"I6 idempotence", idempotence}, {"I7 pairs", pairsWhole},
		{"I8 journal before effect", journalFirst}, {"I9 date", dateIsTrue}, {"I10 hygiene", hygiene},
		{"I11 bystanders", bystanders}, {"I12 liveness", liveness}, {"I13 rollback", rolledBack},
		{"I14 looking is pure", lookingIsPure}, {"I15 own ladder", ownLadder}, {"I16 no ghosts", noGhosts}, {"I17 monotony", monotony},
	}
}

// broken are all invariants that do not hold.
func (h history) broken() error {
	var errs []error
	for _, r := range rules() {
		if err := r.holds(h); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.name, err))
		}
	}
	return errors.Join(errs...)
}

// I1: for all time, for every consumer, the credential that it holds is valid at
// the issuer; a prober asks during the runs and between them, without a gap.
func availability(h history) error {
	if h.looks == 0 {
		return errors.New("nobody asked")
	}
	for _, p := range h.probes {
		if len(p.dead) > 0 {
			return fmt.Errorf("%s ran with a dead %v at %s", p.consumer, p.dead, p.at.Format(time.StampMilli))
		}
	}
	return nil
}

// I2: each credential that is valid at the issuer and was made here has its
// value recoverable from pass, or is used by no consumer and is gone, or in
// pass, after the next resume.
func noLoss(h history) error {
	for i, r := range h.rests {
		for entry, ids := range r.live {
			for _, id := range ids {
				if r.kept[id] || !r.used[id] && i < len(h.rests)-1 {
					continue
				}
				return fmt.Errorf("after run %d a living %s (%s) stands nowhere in pass", i+1, entry, id)
			}
		}
	}
	return nil
}

// I3: revoke or disable of the old credential at t implies, before t: a proof of
// the new value by every consumer after the last write to any of them, the new
// value durable as the present one and pass pushed, and no hold.
func noEarlyRevoke(h history) error {
	if h.last().State == journal.RolledBack || h.killsOld {
		return nil // the old one stays (I13), or was never ours to keep
	}
	for _, c := range h.old {
		at := h.firstHarm(c)
		if at.IsZero() {
			continue
		}
		e := h.eventBefore(at)
		if e.Hold != nil {
			return fmt.Errorf("%s was revoked on hold", c.ID)
		}
		if err := h.provenBefore(at); err != nil {
			return fmt.Errorf("revoking %s: %w", c.ID, err)
		}
		promoted := slices.IndexFunc(h.commits, func(c commit) bool { return strings.HasPrefix(c.subject, "Rotate ") && h.touches(c) })
		if promoted < 0 || h.commits[promoted].at.After(at) {
			return fmt.Errorf("%s was revoked before the new value was pass's", c.ID)
		}
		if !h.pushedBy(h.commits[promoted].id, at) {
			return fmt.Errorf("%s was revoked before pass was pushed", c.ID)
		}
	}
	return nil
}

// firstHarm is when a credential was first disabled or revoked.
func (h history) firstHarm(c trueCredential) time.Time {
	for _, r := range h.requests {
		if (r.Method == "PUT" || r.Method == "DELETE") && r.Status < 300 && strings.HasSuffix(r.Path, "/"+c.ID) {
			return r.Time
		}
	}
	for _, after := range h.after.Credentials {
		if after.ID == c.ID && after.RevokedAt != nil {
			return *after.RevokedAt
		}
	}
	return time.Time{}
}

// provenBefore takes configured for enough: the built-in catalog declares it only
// for what takes the value anew at each use.
func (h history) provenBefore(at time.Time) error {
	var lastWrite time.Time
	for _, w := range h.writes() {
		if w.Time.Before(at) {
			lastWrite = w.Time
		}
	}
	e := h.eventBefore(at)
	for _, name := range h.consumers {
		proven := slices.ContainsFunc(e.Answers, func(a journal.Answer) bool {
			return a.Consumer == name && a.Answer == "match" && (a.Proof == "exact" || a.Proof == "works" || a.Proof == "configured") && a.At.After(lastWrite) && a.At.Before(at)
		})
		if !proven {
			return fmt.Errorf("%s had not proven the new value since the last write", name)
		}
	}
	return nil
}

// I4: at rest at most two valid credentials per entry, ever at most three; a
// resume issues nothing while a good pending value exists; at the end one.
func bound(h history) error {
	for i, r := range h.rests {
		for entry, ids := range r.live {
			if limit := 2 - i/max(len(h.rests)-1, 1); len(ids) > limit {
				return fmt.Errorf("after run %d there are %d living %s, at most %d may be", i+1, len(ids), entry, limit)
			}
		}
	}
	for _, c := range h.ours() {
		together := 0
		for _, o := range h.ours() {
			if o.Entry == c.Entry && !o.IssuedAt.After(c.IssuedAt) && (o.RevokedAt == nil || o.RevokedAt.After(c.IssuedAt)) {
				together++
			}
		}
		if together > 3 {
			return fmt.Errorf("%d living %s at once", together, c.Entry)
		}
	}
	for _, c := range h.issued() {
		// An event's time is rounded down to the millisecond.
		e := h.eventBefore(c.IssuedAt.Add(-time.Millisecond))
		if to := e.Entries[c.Entry].To; to != "" && !e.State.Finished() {
			return fmt.Errorf("%s was issued although rotation %s had a good value waiting", c.ID, e.Rotation)
		}
	}
	return nil
}

// I5: mutating events of two runs for one secret never interleave, and none has
// a number below the journal's. Runs are told apart by the holder that signs its
// events, and by the run id of their requests.
func oneWriter(h history) error {
	var holders, ids []string
	for i, e := range h.events {
		if e.Number != i+1 {
			return fmt.Errorf("event %d stands at place %d", e.Number, i+1)
		}
		holders = append(holders, fmt.Sprint(e.Holder.PID, " ", e.Holder.Started))
	}
	for _, r := range h.requests {
		if r.Method != "GET" && r.RunID != "" && r.Service == "cloudflare" {
			ids = append(ids, r.RunID)
		}
	}
	return errors.Join(interleaved("holders of events", holders), interleaved("runs of requests", ids))
}

// interleaved refuses a name that comes again after another one.
func interleaved(what string, names []string) error {
	names = slices.Compact(names)
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("%s: %s comes again after another one", what, name)
		}
	}
	return nil
}

// I6: the final world after a crash and a resume is that of a rotation without a
// crash, but for ids, times and version numbers. A rotation leaves the world in
// the shape that it found, and so do crash and resume.
func idempotence(h history) error {
	if want, have := shape(h.before), shape(h.after); !slices.Equal(want, have) {
		return fmt.Errorf("the world's shape changed from %v to %v", want, have)
	}
	return nil
}

// shape is a world without ids and values: which role a credential has that
// stands somewhere, and how many live.
func shape(t world.Truth) []string {
	role := map[string]string{}
	living := map[string]int{}
	for _, c := range t.Credentials {
		state := "dead"
		if c.Alive {
			state = "living"
			living[c.Service+" "+c.Entry]++
		}
		role[c.Value] = state + " " + c.Service + " " + c.Entry
	}
	var out []string
	for name, n := range living {
		out = append(out, fmt.Sprintf("%d living %s", n, name))
	}
	stand := func(where string, values map[string]string) {
		for name, value := range values {
			out = append(out, where+" "+name+": "+role[value])
		}
	}
	for name, c := range t.Consumers {
		stand("consumer "+name, c.RunsWith)
	}
	for name, c := range t.Containers {
		stand("container "+name, c.Secrets)
	}
	for name, w := range t.Workers {
		for _, v := range w.Versions {
			if v.ID == w.Deployed {
				stand("Worker "+name, v.Secrets)
			}
		}
	}
	slices.Sort(out)
	return out
}

// I7: no probe ever sees the user of one version with the secret of another. The
// world's pairs are named by their ids up to the entry: se-1-api-user.
func pairsWhole(h history) error {
	for _, p := range h.probes {
		stems := map[string]string{}
		for variable, id := range p.ran {
			stem, entry, ok := strings.Cut(id, "-api-")
			if !ok {
				stem, entry, ok = strings.Cut(id, "-access-")
			}
			kind, _, _ := strings.Cut(stem, "-")
			if have := stems[kind]; ok && have != "" && have != stem {
				return fmt.Errorf("%s ran with half a pair at %s (%s %s)", p.consumer, p.at.Format(time.StampMilli), variable, entry)
			}
			if ok {
				stems[kind] = stem
			}
		}
	}
	return nil
}

// I8: each change outside is preceded by a durable record that names it. (That
// no record of success comes before its read-back is part of I3 and I9.)
func journalFirst(h history) error {
	for _, e := range h.effects() {
		announced := h.eventBefore(e.at)
		if !e.exact {
			// A commit's time is rounded down: any record of that second may be it.
			if !slices.ContainsFunc(h.events, func(j journal.Event) bool {
				return slices.Contains(e.states, j.State) && j.Time.Before(e.at.Add(time.Second))
			}) {
				return fmt.Errorf("%s was not announced", e.what)
			}
			continue
		}
		if !slices.Contains(e.states, announced.State) {
			return fmt.Errorf("%s at %s: the last record before it is %q %s", e.what, e.at.Format(time.StampMilli), announced.State, announced.Step)
		}
	}
	return nil
}

// I9: a date is present if and only if the old value is rejected by its issuer
// and all consumers run with the present one, and it is not before that one was
// made. The refusal is in the issuer's log, after the death and before DONE.
func dateIsTrue(h history) error {
	done := h.last()
	if done.State != journal.Done {
		if !done.RevokedAt.IsZero() {
			return fmt.Errorf("a date at %s", done.State)
		}
		return nil
	}
	if done.RevokedAt.IsZero() {
		return errors.New("DONE without a date")
	}
	for entry, old := range h.old {
		now := h.now[entry]
		if now.ID == "" || !now.Alive || done.RevokedAt.Before(now.IssuedAt.Truncate(time.Second)) {
			return fmt.Errorf("the date is before the present %s was made, or that is dead", entry)
		}
		if !slices.Contains(h.doors, entry) {
			continue
		}
		died := h.firstHarm(old)
		refused := slices.ContainsFunc(h.requests, func(r api.Request) bool {
			return r.CredentialID == old.ID && r.Status >= 400 && r.Status < 404 && r.RunID != "" &&
				r.Time.After(died) && r.Time.Before(done.Time) && !r.Time.Truncate(time.Second).After(done.RevokedAt)
		})
		if died.IsZero() || !refused {
			return fmt.Errorf("the old %s was not seen to be refused between its death and the date", entry)
		}
	}
	return h.everywhere(h.now, h.old)
}

// everywhere requires that consumers run with the values of one set and with
// none of another.
func (h history) everywhere(want, not map[string]trueCredential) error {
	// Not every credential stands in a consumer's environment.
	there, seen := false, false
	for _, c := range h.before.Consumers {
		for _, value := range c.RunsWith {
			for entry := range want {
				there = there || value == h.old[entry].Value
			}
		}
	}
	for name, c := range h.after.Consumers {
		for variable, value := range c.RunsWith {
			for entry := range want {
				if value == not[entry].Value && value != want[entry].Value {
					return fmt.Errorf("%s runs with a %s that should be gone", name, variable)
				}
				seen = seen || value == want[entry].Value
			}
		}
	}
	if there && !seen {
		return errors.New("no consumer runs with the present value")
	}
	return nil
}
