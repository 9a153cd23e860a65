package e2e

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// I10: no value stands outside the places that may have it. After the fact only
// files, git objects and outputs can be searched; argument lists and
// environments are sampled by TestValuesStandNowhereElse.
func hygiene(h history) error {
	if len(h.leaks) > 0 {
		return fmt.Errorf("a value stands in the clear: %v", h.leaks)
	}
	return nil
}

// I11: nothing but what was planned differs, and credentials that are neither
// ours by label nor the adopted old one are never deleted.
func bystanders(h history) error {
	for _, b := range h.before.Credentials {
		at := slices.IndexFunc(h.after.Credentials, func(a trueCredential) bool { return a.ID == b.ID && a.Entry == b.Entry })
		if at < 0 {
			return fmt.Errorf("%s is gone", b.ID)
		}
		if a := h.after.Credentials[at]; a.Alive != b.Alive && h.old[b.Entry].ID != b.ID {
			return fmt.Errorf("%s of %s is nobody's business and was changed", b.ID, b.Service)
		}
	}
	for _, a := range h.after.Credentials {
		if !known(h.before, a.ID) && (a.Service != h.service || h.paths[a.Entry] == "") {
			return fmt.Errorf("%s of %s was made", a.ID, a.Service)
		}
	}
	mine := map[string]bool{}
	for _, c := range h.ours() {
		mine[c.Value] = true
	}
	others := func(t world.Truth) []string {
		var out []string
		for name, c := range t.Consumers {
			for variable, value := range c.RunsWith {
				if !mine[value] {
					out = append(out, name+" "+variable+" "+value)
				}
			}
		}
		slices.Sort(out)
		return out
	}
	if !slices.Equal(others(h.before), others(h.after)) {
		return errors.New("a consumer's other secrets were changed")
	}
	for _, c := range h.commits {
		for _, path := range c.paths {
			if !h.touches(commit{paths: []string{path}}) && !strings.HasPrefix(path, "rotation/") {
				return fmt.Errorf("commit %q touches %s", c.subject, path)
			}
		}
	}
	return nil
}

// maxRuns bounds how often the same command may have to be typed after a kill.
const maxRuns = 3

// I12: after any crash, one resume without faults ends in DONE or ROLLED_BACK
// within bounded steps; no lock, lease, temporary file or process is left.
func liveness(h history) error {
	if state := h.last().State; state != journal.Done && state != journal.RolledBack {
		return fmt.Errorf("it ended at %q", state)
	}
	kills := 0
	for _, r := range h.runs {
		if r.killed {
			kills++
		}
	}
	if len(h.runs) == 0 || len(h.runs)-kills > maxRuns || h.runs[len(h.runs)-1].code != 0 {
		return fmt.Errorf("%d runs after %d kills did not end it", len(h.runs)-kills, kills)
	}
	if len(h.leftovers) > 0 {
		return fmt.Errorf("left behind: %v", h.leftovers)
	}
	return nil
}

// I13: ROLLED_BACK implies that all consumers run with the old value, that it is
// valid, the new one is not, and date and present value are as before.
func rolledBack(h history) error {
	end := h.last()
	if end.State != journal.RolledBack {
		return nil
	}
	for entry, old := range h.old {
		if h.now[entry].ID != old.ID || !h.now[entry].Alive {
			return fmt.Errorf("pass does not hold the old %s, or it is dead", entry)
		}
	}
	gone := map[string]trueCredential{}
	for _, c := range h.leaving() {
		if c.Alive {
			return fmt.Errorf("the new %s lives", c.ID)
		}
		gone[c.Entry] = c
	}
	var before journal.Event
	for _, e := range h.events {
		if e.Rotation != end.Rotation {
			before = e
		}
	}
	if len(before.Promoted) > 0 && !maps.Equal(before.Promoted, end.Promoted) {
		return errors.New("the record's present value is another than before")
	}
	for entry, move := range end.Entries {
		if len(before.Promoted) == 0 && end.Promoted[entry] != move.From {
			return fmt.Errorf("the record does not have the old %s as the present one", entry)
		}
	}
	return h.everywhere(h.old, gone)
}

// I14: looking at any point causes no change. `drift` is not there yet; what is
// run at every crash point are status and verify.
func lookingIsPure(h history) error {
	for i, r := range h.rests {
		if len(r.moved) > 0 {
			return fmt.Errorf("looking after run %d changed %v", i+1, r.moved)
		}
	}
	return nil
}

// I15: a credential that the tool itself uses is revoked only after an
// authenticated call with its successor on every backend that it serves.
func ownLadder(h history) error {
	backends := map[string][]string{"cloudflare": {"cloudflare"}, "scaleway": {"scaleway", "registry"}}[h.secret]
	if h.last().State == journal.RolledBack {
		return nil
	}
	for _, old := range h.old {
		at := h.firstHarm(old)
		for _, backend := range backends {
			if !slices.ContainsFunc(h.requests, func(r api.Request) bool {
				return r.Service == backend && r.Status < 300 && r.RunID != "" && r.Time.Before(at) &&
					slices.ContainsFunc(h.ours(), func(c trueCredential) bool { return c.ID == r.CredentialID && c.IssuedAt.After(old.IssuedAt) })
			}) {
				return fmt.Errorf("%s was retired before %s was called with its successor", old.ID, backend)
			}
		}
	}
	return nil
}

// I16: no service sees a change by a run after that run's process has ended, or
// while none runs. The provider of existing projects does not send the run id,
// so its writes are told by their time.
func noGhosts(h history) error {
	first := map[string]int{} // run id -> the run it was first seen in
	for _, r := range h.requests {
		at := slices.IndexFunc(h.runs, func(run ranOnce) bool { return !r.Time.Before(run.began) && !r.Time.After(run.ended) })
		if at < 0 && r.Method != "GET" && (r.Service == "cloudflare" || r.Service == "scaleway") {
			return fmt.Errorf("%s %s at %s, when nothing ran", r.Method, r.Path, r.Time.Format(time.StampMilli))
		}
		if r.RunID == "" || at < 0 {
			continue
		}
		if run, ok := first[r.RunID]; ok && run != at {
			return fmt.Errorf("%s %s is run %d's, and came in run %d", r.Method, r.Path, run+1, at+1)
		}
		first[r.RunID] = at
	}
	return nil
}

// I17: the present value never goes back except by a rollback, and the journal's
// chain of hashes is unbroken.
func monotony(h history) error {
	if len(h.sums) != len(h.events) {
		return errors.New("the events were not all read")
	}
	for i, e := range h.events {
		if i > 0 && e.Prev != h.sums[i-1] || i == 0 && e.Prev != "" {
			return fmt.Errorf("event %d does not follow the one before it", e.Number)
		}
	}
	seen := map[string][]string{}
	for _, e := range h.events {
		for entry, print := range e.Promoted {
			past := seen[entry]
			if len(past) > 0 && past[len(past)-1] == string(print) {
				continue
			}
			if slices.Contains(past, string(print)) && e.State != journal.RolledBack {
				return fmt.Errorf("event %d: the present %s goes back to an earlier one", e.Number, entry)
			}
			seen[entry] = append(past, string(print))
		}
	}
	return nil
}
