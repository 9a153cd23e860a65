package rotation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// ManualPlan is what a person does at a consumer.
type ManualPlan struct {
	Name string
	// Steps are the catalog's, a sentence each; none where only a word is wanted.
	Steps []string
	// When says in words when, and what follows.
	When string
}

// byHand are the consumers of a job at which a person has something to do, in the
// catalog's order. An adoption changes nothing there.
func (r *run) byHand(j *job) []ManualPlan {
	if r.verb == toAdopt {
		return nil
	}
	var out []ManualPlan
	for _, c := range j.secret.Consumers {
		if when := handling(c); when != "" {
			out = append(out, ManualPlan{Name: c.Name, Steps: c.Steps, When: when})
		}
	}
	return out
}

// handling is when a person has something to do at the consumer; empty: never.
func handling(c secrets.Consumer) string {
	switch {
	case byPerson(c) && c.Kind == secrets.KindManual:
		return "you bring the value there, try it and type its name, before pass gets it"
	case byPerson(c):
		return "you try it and type its name, before pass gets the value"
	case c.Kind == secrets.KindManual && c.ReadsPass():
		return "it reads pass: you do the steps after the promotion, then it is asked"
	case c.Kind == secrets.KindManual:
		return "you do the steps after the stacks, then it is asked"
	case !c.Verifiable():
		return "what runs cannot be asked: you try it and type its name, before the old value is revoked"
	}
	return ""
}

// tellSteps says what a person has to do now at consumers that are asked right
// after it: nothing else brings them the value.
func (r *run) tellSteps(j *job, now func(secrets.Consumer) bool) {
	for _, c := range j.secret.Consumers {
		if c.Kind == secrets.KindManual && !byPerson(c) && now(c) {
			r.Watch.Begin(c.Name, "").Warn(fmt.Sprintf("do this now, it is asked for %s: %s (the %s value: %s)", Span(r.Window.Limit), strings.Join(c.Steps, " "), j.wanted(), j.where()))
		}
	}
}

// restarts say how a process gets the value that pass holds.
func restarts(j *job, bad []proof.Result) []string {
	var out []string
	for _, c := range j.secret.Consumers {
		failed := slices.ContainsFunc(bad, func(b proof.Result) bool { return b.Consumer == c.Name })
		if failed && c.Kind == secrets.KindPass && c.Probe.By != "pass" {
			out = append(out, "restart "+c.Name+", which read pass at its start (go run . env --for NAME --watch -- COMMAND does so by itself)")
		}
	}
	return out
}

// redeployable asks the consumers that another deployment can bring the value to.
// What reads pass by itself has it from pass, or from its next start.
func (r *run) redeployable(j *job) []proof.Question {
	return slices.DeleteFunc(r.questions(j, j.goal(), true), func(q proof.Question) bool {
		return q.Consumer.ReadsPass() && q.Consumer.Stack == "" && q.Consumer.Probe.By != "pass"
	})
}
