package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
)

// certainty is how sure it is that a copy is pass's value.
type certainty struct{ ID, Word, Means string }

// The certainties, best first.
var (
	exact       = certainty{"exact", "exact", "proven to run with pass's value"}
	works       = certainty{"works", "works", "its credential works; that it is pass's value is not proven"}
	configured  = certainty{"configured", "configured", "deployed, not verified at run time: the copy holds pass's value, and what runs was not asked"}
	nameOnly    = certainty{"name", "name only", "the name is there; which value it has nobody knows"}
	unproven    = certainty{"unproven", "not proven", "was not asked, or gave no proof"}
	unreachable = certainty{"unreachable", "unreachable", "could not be asked"}
	differs     = certainty{"differs", "differs", "runs with another value"}
)

func certainties() []certainty {
	return []certainty{exact, works, configured, nameOnly, unproven, unreachable, differs}
}

// sure is what a consumer's answer is worth. An answer or a proof that is not
// known here proves nothing.
func sure(c drift.Consumer) certainty {
	switch c.Answer {
	case "differs":
		return differs
	case "unreachable":
		return unreachable
	case "present":
		return nameOnly
	case "match":
		switch c.Proof {
		case "exact":
			return exact
		case "works":
			return works
		case "configured":
			return configured
		case "present":
			return nameOnly
		}
	}
	return unproven
}

// dueSecrets are the secrets in the order in which they ask for something: overdue
// and soonest first, then those whose age nobody knows, last those without a date.
func dueSecrets(r drift.Report) []drift.Secret {
	rank := func(s drift.Secret) int {
		switch {
		case s.MaxAgeDays > 0 && !s.Due.IsZero():
			return 0
		case s.AgeDays == nil:
			return 1
		}
		return 2
	}
	all := slices.Clone(r.Secrets)
	slices.SortStableFunc(all, func(a, b drift.Secret) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Due.Compare(b.Due), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// ageText is a secret's age against its maximum, dueText when that is reached.
func ageText(s drift.Secret) string {
	age := "age unknown"
	if s.AgeDays != nil {
		age = count(*s.AgeDays, "day", "days") + " old"
	}
	if s.MaxAgeDays > 0 {
		return fmt.Sprintf("%s, may be %s", age, number(s.MaxAgeDays))
	}
	return age + ", no maximum"
}

func dueText(s drift.Secret, now time.Time) string {
	switch {
	case s.MaxAgeDays <= 0:
		return "never due"
	case s.Due.IsZero():
		return "due date unknown"
	}
	left := s.Due.Sub(now)
	if left < 0 {
		return fmt.Sprintf("overdue by %s, since %s", roughly(-left), day(s.Due))
	}
	return fmt.Sprintf("due %s, in %s", day(s.Due), roughly(left))
}

func overdue(s drift.Secret, now time.Time) bool {
	return s.MaxAgeDays > 0 && !s.Due.IsZero() && s.Due.Before(now)
}

// soon is how long before its due date a secret is shown as nearly due.
const soon = 14 * 24 * time.Hour

func dueSoon(s drift.Secret, now time.Time) bool {
	return s.MaxAgeDays > 0 && !s.Due.IsZero() && !overdue(s, now) && s.Due.Sub(now) <= soon
}

// used is the part of its maximum age that a secret has used up, 0 to 1; false
// where that is not known.
func used(s drift.Secret) (float64, bool) {
	if s.AgeDays == nil || s.MaxAgeDays <= 0 {
		return 0, false
	}
	return math.Max(0, math.Min(1, float64(*s.AgeDays)/s.MaxAgeDays)), true
}

// nextDue says which secret is to be rotated next; empty where none has a date.
func nextDue(r drift.Report) string {
	for _, s := range dueSecrets(r) {
		if s.MaxAgeDays <= 0 || s.Due.IsZero() {
			continue
		}
		return printable(s.Name) + " is " + dueText(s, r.CheckedAt)
	}
	return ""
}
