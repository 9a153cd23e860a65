package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
)

// afterDamage is the way out of a damaged record. Where no repair can accept it,
// whoever may write to the state removes it.
func afterDamage(e *journal.DamagedError) string {
	if gone := e.Removable(); gone != "" {
		return "restore " + gone + " in the state from a backup, or remove it there; then: go run . drift"
	}
	return repairOf(e.Secret)
}

// repairOf accepts a secret's journal as it stands.
func repairOf(name string) string {
	if strings.Contains(name, " ") {
		return ""
	}
	return "go run . journal repair --secret " + name
}

// journals looks at every secret's record as a whole.
func (s *session) journals(ctx context.Context) []finding {
	var out []finding
	unsigned := 0
	for _, secret := range s.catalog.Secrets {
		name := "journal of " + secret.Name
		audit, err := s.journal.Audit(ctx, secret.Name)
		if err == nil {
			err = audit.Err()
		}
		if err != nil {
			out = append(out, s.app.bad(name, err))
			continue
		}
		for _, e := range audit.Events {
			if e.Misdated() {
				out = append(out, finding{Name: name, OK: true, Note: true, Detail: fmt.Sprintf("event %d is dated %s and was written on %s: the clock of %s was wrong", e.Number, minute(e.Time), minute(e.Stored), e.Holder.Host)})
			}
		}
		if n := len(audit.Events); n > 0 && audit.Events[n-1].MAC == "" {
			unsigned++
		}
	}
	out = append(append(out, s.leases(ctx)...), s.acceptances(ctx)...)
	if len(out) == 0 {
		detail := "every record is whole"
		if unsigned > 0 {
			detail += fmt.Sprintf("; %d from before events were signed, the next event of each signs", unsigned)
		}
		out = append(out, good("journal", detail))
	}
	return out
}

// leases tells which bar a rotation, until when, and how they are released.
func (s *session) leases(ctx context.Context) []finding {
	var out []finding
	told := map[string]bool{}
	for _, secret := range s.catalog.Secrets {
		holders, err := rotation.Leases(ctx, s.journal, secret)
		if err != nil {
			out = append(out, s.app.bad("lease on "+secret.Name, err))
			continue
		}
		for _, by := range holders {
			if told[by.Name] {
				continue // secrets share their stacks
			}
			told[by.Name] = true
			out = append(out, finding{Name: "lease on " + by.Name, OK: true, Note: true,
				Detail: by.Error() + "; unless it is renewed, it ends on " + by.Free.Local().Format("2006-01-02 15:04:05 MST") + ". If its holder has ended: " + s.app.inPlace("go run . journal release --secret "+secret.Name)})
		}
	}
	return out
}

// acceptances tells what keeps an accepted finding from being so.
func (s *session) acceptances(ctx context.Context) []finding {
	const name = "accepted findings"
	foreign, err := s.journal.ForeignAcceptances(ctx)
	if err != nil {
		return []finding{s.app.bad(name, err)}
	}
	var out []finding
	for _, object := range foreign {
		out = append(out, finding{Name: name, OK: true, Note: true, Detail: object + " is signed with another fingerprint key than pass's and does not count: accept again what it was for"})
	}
	return out
}
