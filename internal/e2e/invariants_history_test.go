package e2e

import (
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// history is all that was seen from outside of one secret, from the first run
// to the last: what the invariants are read off.
type history struct {
	secret, service string
	// paths are the secret's pass paths by entry name; doors the entries whose
	// service can be asked; consumers those that have to prove a value.
	paths     map[string]string
	doors     []string
	consumers []string
	// killsOld: its dashboard kills the old value when it makes the new one.
	killsOld bool
	// old and now are the credentials that the entries held at first and at last.
	old, now map[string]trueCredential
	// before and after are the world's truth around it.
	before, after world.Truth
	requests      []api.Request
	events        []journal.Event
	// sums are the SHA-256 of the events' bytes, in hex.
	sums    []string
	runs    []ranOnce
	rests   []rest
	commits []commit
	pushes  []push
	probes  []probe
	// looks counts how often the prober asked.
	looks int
	// leaks are places where a value stands in the clear, leftovers what a run
	// has not cleared away.
	leaks, leftovers []string
}

// ranOnce is one process of the program.
type ranOnce struct {
	began, ended time.Time
	killed       bool
	code         int
}

// rest is the standing between two runs, and after the last.
type rest struct {
	at time.Time
	// live are the ids of the living credentials by entry; kept are those whose
	// value pass can give back, used those that a consumer runs with.
	live       map[string][]string
	kept, used map[string]bool
	// moved is what the commands that only look have changed.
	moved []string
}

// commit is one of pass's, to the second; paths are the entries it touches.
type commit struct {
	at          time.Time
	id, subject string
	paths       []string
}

// push is one arrival at pass's remote, to the second: all commits up to head.
type push struct {
	at   time.Time
	head string
}

// probe is what one consumer was seen to run with: ids of credentials, by
// variable; dead are those that were refused at that moment.
type probe struct {
	at       time.Time
	consumer string
	ran      map[string]string
	dead     []string
}

// issued are the credentials of this secret that were made during the history.
func (h history) issued() []trueCredential {
	return slices.DeleteFunc(slices.Clone(h.after.Credentials), func(c trueCredential) bool {
		return c.Service != h.service || h.paths[c.Entry] == "" || known(h.before, c.ID)
	})
}

// ours are all credentials of this secret.
func (h history) ours() []trueCredential {
	return slices.DeleteFunc(slices.Clone(h.after.Credentials), func(c trueCredential) bool {
		return c.Service != h.service || h.paths[c.Entry] == ""
	})
}

func known(t world.Truth, id string) bool {
	return slices.ContainsFunc(t.Credentials, func(c trueCredential) bool { return c.ID == id })
}

// last is the newest event.
func (h history) last() journal.Event {
	if len(h.events) == 0 {
		return journal.Event{}
	}
	return h.events[len(h.events)-1]
}

// leaving are the credentials that had to die: the old ones, or after a rollback
// the new ones.
func (h history) leaving() []trueCredential {
	var out []trueCredential
	for _, c := range h.ours() {
		if now, ok := h.now[c.Entry]; ok && now.ID != c.ID {
			out = append(out, c)
		}
	}
	return out
}

// eventBefore is the newest event from before that moment.
func (h history) eventBefore(at time.Time) journal.Event {
	var found journal.Event
	for _, e := range h.events {
		if e.Time.Before(at) {
			found = e
		}
	}
	return found
}

// writes are the requests that gave a consumer its secrets.
func (h history) writes() []api.Request {
	return slices.DeleteFunc(slices.Clone(h.requests), func(r api.Request) bool {
		return r.Method != "PATCH" || r.Status >= 300 || r.Status == 0 || r.Service != "cloudflare" && r.Service != "scaleway"
	})
}

// effect is something that was changed outside the journal.
type effect struct {
	at   time.Time
	what string
	// exact: at is no rounded time.
	exact bool
	// states are those that announce it.
	states []journal.State
}

// effects are all changes outside, oldest first.
func (h history) effects() []effect {
	var out []effect
	for _, c := range h.issued() {
		out = append(out, effect{c.IssuedAt, "issuing " + c.ID, true, []journal.State{journal.Staging}})
	}
	for _, r := range h.writes() {
		out = append(out, effect{r.Time, "writing to " + r.Service, true, []journal.State{journal.Deploying, journal.RollingBack}})
	}
	for _, c := range h.ours() {
		if c.RevokedAt == nil || slices.ContainsFunc(h.before.Credentials, func(b trueCredential) bool { return b.ID == c.ID && b.RevokedAt != nil }) {
			continue
		}
		states := []journal.State{journal.Revoking, journal.RollingBack}
		if !known(h.before, c.ID) || h.killsOld {
			states = append(states, journal.Staging) // what an interrupted run had made
		}
		out = append(out, effect{*c.RevokedAt, "revoking " + c.ID, true, states})
	}
	for prefix, state := range map[string]journal.State{"Stage new ": journal.Staging, "Rotate ": journal.Promoted, "Roll back ": journal.RollingBack} {
		for _, c := range h.commits {
			if strings.HasPrefix(c.subject, prefix) && h.touches(c) {
				out = append(out, effect{c.at, c.subject, false, []journal.State{state}})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b effect) int { return a.at.Compare(b.at) })
	return out
}

// touches reports whether a commit has to do with this secret.
func (h history) touches(c commit) bool {
	for _, path := range h.paths {
		if slices.ContainsFunc(c.paths, func(p string) bool { return strings.HasSuffix(p, path+".gpg") }) {
			return true
		}
	}
	return false
}

// pushedBy reports whether the remote had the commit at that moment. Pushes are
// known to the second, so one in the same second counts.
func (h history) pushedBy(id string, at time.Time) bool {
	position := func(id string) int {
		return slices.IndexFunc(h.commits, func(c commit) bool { return c.id == id })
	}
	for _, p := range h.pushes {
		if head := position(p.head); head >= 0 && position(id) <= head && !p.at.After(at) {
			return true
		}
	}
	return false
}
