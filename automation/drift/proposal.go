package drift

import (
	"slices"
	"strings"
)

// Proposal is one call of this program, and the findings that it mends.
type Proposal struct {
	Verb Verb
	// Names are secrets, or one stack for Unlock; none for pass.
	Names    []string
	Findings []Finding
}

// Command is what does the same by hand.
func (p Proposal) Command() string { return command(p.Verb, p.Names) }

// Repairs are its parts, one for each name.
func (p Proposal) Repairs() []Repair {
	if len(p.Names) == 0 {
		return []Repair{{Verb: p.Verb}}
	}
	var out []Repair
	for _, name := range p.Names {
		out = append(out, Repair{p.Verb, name})
	}
	return out
}

// stronger are the verbs for a secret: what comes first does also what the later
// ones would do, so that each secret is touched once.
var stronger = []Verb{Renew, Pending, Readopt, GoOn, Anew, Roll}

// Propose says what this program would do about the findings that count, in the
// order of Verbs and of findings, and which of them a person has to mend. A store
// that is behind its remote comes alone: what the others were compared with is
// old. What skip names is left out, with its findings.
func Propose(all []Finding, skip ...Repair) (proposals []Proposal, byHand []Finding) {
	var mendable []Finding
	for _, f := range all {
		switch {
		case !f.Counts():
		case f.Repair == (Repair{}):
			byHand = append(byHand, f)
		default:
			mendable = append(mendable, f)
		}
	}
	mendable = together(mendable)
	mendable = slices.DeleteFunc(mendable, func(f Finding) bool { return slices.Contains(skip, f.Repair) })
	// What this program itself stands on comes first: the others need it.
	slices.SortStableFunc(mendable, func(a, b Finding) int {
		switch {
		case a.own == b.own:
			return 0
		case a.own:
			return -1
		}
		return 1
	})
	for _, verb := range Verbs() {
		for _, f := range mendable {
			if f.Repair.Verb != verb {
				continue
			}
			proposals = grouped(proposals, f)
		}
	}
	for _, p := range proposals {
		slices.Sort(p.Names)
	}
	if len(proposals) > 0 && proposals[0].Verb == Pull {
		proposals = proposals[:1]
	}
	return proposals, byHand
}

// grouped puts a finding to the proposal that mends it. A call unlocks one stack or
// renews one secret, so that one that fails keeps no other from its new value, and
// does everything else to all secrets at once.
func grouped(all []Proposal, f Finding) []Proposal {
	at := slices.IndexFunc(all, func(p Proposal) bool {
		return p.Verb == f.Repair.Verb && (p.Verb != Unlock && p.Verb != Renew || slices.Contains(p.Names, f.Repair.Name))
	})
	if at < 0 {
		all, at = append(all, Proposal{Verb: f.Repair.Verb}), len(all)
	}
	p := &all[at]
	if name := f.Repair.Name; name != "" && !slices.Contains(p.Names, name) {
		p.Names = append(p.Names, name)
	}
	p.Findings = append(p.Findings, f)
	return all
}

// together gives each secret one verb, the strongest that a finding asks for, and
// lets a stack be mended by a secret that is rolled out to it anyway.
func together(all []Finding) []Finding {
	all = slices.Clone(all)
	for i, f := range all {
		if f.Repair.Verb != Anew || f.Secret != "" || f.stack == "" {
			continue
		}
		if at := slices.IndexFunc(all, func(o Finding) bool {
			return o.stack == f.stack && o.Repair.Verb == Roll && o.Secret == o.Repair.Name
		}); at >= 0 {
			all[i].Repair.Name = all[at].Repair.Name
		}
	}
	best := map[string]Verb{}
	for _, f := range all {
		v, now := f.Repair.Verb, best[f.Repair.Name]
		if slices.Contains(stronger, v) && (now == "" || slices.Index(stronger, v) < slices.Index(stronger, now)) {
			best[f.Repair.Name] = v
		}
	}
	// Of what one holder lacks, none can be adopted without the others.
	for _, f := range all {
		for _, o := range all {
			if f.holder != "" && o.holder == f.holder && best[f.Repair.Name] == Anew && best[o.Repair.Name] == Roll {
				best[o.Repair.Name] = Anew
			}
		}
	}
	for i, f := range all {
		if slices.Contains(stronger, f.Repair.Verb) {
			all[i].Repair.Verb = best[f.Repair.Name]
		}
	}
	return all
}

// Outcome is how the making of a proposal ended.
type Outcome string

// The outcomes. Proposed: nobody was asked.
const (
	Proposed    Outcome = "proposed"
	Made        Outcome = "done"
	Declined    Outcome = "declined"
	Waiting     Outcome = "waiting"
	Failed      Outcome = "failed"
	Interrupted Outcome = "interrupted"
	// Unconfirmed: it ended well, and no check since has shown that what it was to
	// mend is gone.
	Unconfirmed Outcome = "unconfirmed"
)

// Mending is a proposal and what came of it, as drift --fix reports it.
type Mending struct {
	Verb Verb `json:"verb"`
	// Names are the secrets, or the stack; none for pass.
	Names []string `json:"names"`
	// Command does the same by hand.
	Command string `json:"command"`
	// Findings are CODE:SUBJECT, of the check before it.
	Findings []string `json:"findings"`
	Outcome  Outcome  `json:"outcome"`
	// Error is what stopped it, Next what to type then.
	Error string   `json:"error,omitempty"`
	Next  []string `json:"next"`
}

// Confirm looks at what was made in the light of a check after it: what is still
// found is not done. Without a check (nil) nothing is.
func Confirm(all []Mending, after *Report) {
	for i := range all {
		m := &all[i]
		if m.Outcome != Made {
			continue
		}
		if after == nil {
			m.Outcome, m.Error = Unconfirmed, "nothing was checked after it"
			continue
		}
		var left []string
		for _, f := range after.Findings {
			if f.Counts() && slices.Contains(m.Findings, f.Key()) {
				left = append(left, f.Key())
			}
		}
		if len(left) > 0 {
			m.Outcome, m.Error = Unconfirmed, "it ended well, and this is still found: "+strings.Join(left, ", ")
		}
	}
}

// NewMending is a proposal of which nothing has come yet.
func NewMending(p Proposal, command string) Mending {
	m := Mending{Verb: p.Verb, Names: append([]string{}, p.Names...), Command: command, Findings: []string{}, Outcome: Proposed, Next: []string{}}
	for _, f := range p.Findings {
		m.Findings = append(m.Findings, f.Key())
	}
	return m
}
