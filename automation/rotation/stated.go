package rotation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Named is a Person whose name is not that of the user who runs this program.
type Named interface {
	Name() string
}

// speaker is who gives the answers that only a person can give.
func (r *run) speaker() string {
	if named, ok := r.Person.(Named); ok {
		return named.Name()
	}
	return journal.Self().User
}

// statedEntries are the entries whose revocation rests on a person's word: no
// service was asked about their old values.
func (r *run) statedEntries(j *job) []string {
	if !j.log.Last().Stated {
		return nil
	}
	on := j.moved
	if _, ok := r.Checker(j.secret.Service); ok && len(r.doors(j)) > 0 && j.allKnown(j.leaving()) {
		on = untested(j)
	}
	var out []string
	for _, e := range on {
		out = append(out, e.Name())
	}
	return out
}

// RevocationOf is what an event knows of the end of the old value.
func RevocationOf(e journal.Event) RevokedReport {
	out := RevokedReport{ConfirmedAt: stamp(e.RevokedAt), Evidence: e.Evidence}
	switch {
	case e.Evidence == "":
	case len(e.StatedEntries) > 0:
		out.StatedBy = e.StatedBy
	case e.Stated && e.StatedBy == "" && strings.Contains(e.Evidence, "stated:"):
		// An event from before names were kept: whoever ran it was the one to ask.
		out.StatedBy = e.Holder.User
	}
	return out
}

// onWord ends a sentence about a revoked value with what it rests on, where that
// is a person's word.
func onWord(e journal.Event) string {
	by := RevocationOf(e).StatedBy
	switch {
	case by == "":
		return ""
	case len(e.StatedEntries) > 0 && len(e.StatedEntries) < len(e.Entries):
		return " (the end of " + strings.Join(e.StatedEntries, " and ") + " confirmed by " + by + ")"
	}
	return " (confirmed by " + by + ")"
}

// revoked says how the value that leaves ended. Dead is what a service refuses.
func revoked(e journal.Event) string {
	switch {
	case len(e.StatedEntries) == 0:
		return "dead"
	case len(e.StatedEntries) == len(e.Entries):
		return "revoked, confirmed by " + e.StatedBy
	}
	return "dead; " + strings.Join(e.StatedEntries, " and ") + " revoked, confirmed by " + e.StatedBy
}

// outcome says the same of each entry, for pass's own history.
func (j *job) outcome() string {
	last := j.log.Last()
	var parts, seen []string
	for _, e := range j.moved {
		if !slices.Contains(last.StatedEntries, e.Name()) {
			seen = append(seen, e.Name())
		}
	}
	if by := RevocationOf(last).StatedBy; by != "" && len(last.StatedEntries) == 0 {
		return fmt.Sprintf("%s %s revoked, confirmed by %s", j.unwanted(), names(j.moved), by)
	}
	if len(last.StatedEntries) > 0 {
		parts = append(parts, fmt.Sprintf("%s %s revoked, confirmed by %s", j.unwanted(), strings.Join(last.StatedEntries, " and "), last.StatedBy))
	}
	if len(seen) > 0 {
		parts = append(parts, fmt.Sprintf("%s %s is dead", j.unwanted(), strings.Join(seen, " and ")))
	}
	return strings.Join(parts, ", ")
}

// CountProofs counts good answers by what each rests on, the strongest first:
// "2 exact, 1 configured (not verified at run time), 1 confirmed by ann"; empty
// where there is none.
func CountProofs(answers []journal.Answer) string {
	good := slices.DeleteFunc(slices.Clone(answers), func(a journal.Answer) bool { return a.Answer != "match" && a.Answer != "present" })
	var parts []string
	for _, kind := range secrets.ProofKinds() {
		n := 0
		for _, a := range good {
			if a.Proof == kind && a.Word == "" {
				n++
			}
		}
		switch {
		case n > 0 && kind == secrets.ProofConfigured:
			parts = append(parts, fmt.Sprintf("%d %s (not verified at run time)", n, kind))
		case n > 0:
			parts = append(parts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	var people []string
	words := map[string]int{}
	for _, a := range good {
		if a.Word != "" && words[a.Word] == 0 {
			people = append(people, a.Word)
		}
		words[a.Word]++
	}
	for _, who := range people {
		parts = append(parts, fmt.Sprintf("%d confirmed by %s", words[who], who))
	}
	return strings.Join(parts, ", ")
}

// verifiedStep is the step of an event after the consumers were asked.
func verifiedStep(j *job, answers []journal.Answer) string {
	if counts := CountProofs(answers); counts != "" {
		return "consumers have the " + j.wanted() + " value: " + counts
	}
	return "no consumer is to be asked"
}
