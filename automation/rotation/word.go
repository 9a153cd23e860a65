package rotation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// byPerson: only somebody who tries the consumer can say which value it has.
func byPerson(c secrets.Consumer) bool { return c.Probe.By == "person" }

// tried has a person bring the value to every consumer that nothing else
// reaches, try it, and type the consumer's name.
func (r *run) tried(ctx context.Context, j *job) ([]journal.Answer, error) {
	var out []journal.Answer
	for _, c := range j.secret.Consumers {
		if !byPerson(c) {
			continue
		}
		a := journal.Answer{Consumer: c.Name, Proof: secrets.ProofPresent, Answer: string(proof.Present)}
		if err := r.word(ctx, j, c, &a); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// vouched adds a person's word to the answers of consumers that cannot show what
// they run with: that is too little to retire a value on.
func (r *run) vouched(ctx context.Context, j *job, answers []journal.Answer) ([]journal.Answer, error) {
	for _, c := range j.secret.Consumers {
		at := slices.IndexFunc(answers, func(a journal.Answer) bool { return a.Consumer == c.Name })
		if at < 0 || byPerson(c) || c.Verifiable() {
			continue
		}
		if err := r.word(ctx, j, c, &answers[at]); err != nil {
			return nil, err
		}
	}
	tried, err := r.tried(ctx, j)
	return append(answers, tried...), err
}

// word is somebody's word that a consumer works with the value that stays. One
// that was given in this rotation, and in its direction, is not asked for again.
func (r *run) word(ctx context.Context, j *job, c secrets.Consumer, a *journal.Answer) error {
	last := j.log.Last()
	for _, said := range last.Answers {
		if last.Rotation == j.id && said.Consumer == c.Name && said.Word != "" && (last.State == journal.RollingBack) == j.back {
			a.Word, a.At = said.Word, said.At
		}
	}
	if a.Word == "" {
		err := askedPerson(r, j, r.Person.Confirm(ctx, Confirmation{Secret: j.secret.Name, Type: c.Name, Own: true, Lines: c.Steps,
			Title: j.unprovable(c)}))
		if err != nil {
			return err
		}
		a.Word, a.At = r.speaker(), r.Now().UTC().Truncate(time.Second)
	}
	j.report.Consumers = merge(j.report.Consumers, []ConsumerReport{{Name: c.Name, Kind: string(c.Kind), Proof: string(a.Proof), Answer: proof.Answer(a.Answer), Detail: "confirmed by " + a.Word}})
	return nil
}

// unprovable asks for a test. What the program has set itself, nobody is to set.
func (j *job) unprovable(c secrets.Consumer) string {
	text := fmt.Sprintf("Nothing can prove which %s consumer %s runs with.", j.secret.Name, c.Name)
	if c.ReadsPass() {
		return fmt.Sprintf("%s pass holds the %s one; restart what read it earlier, and try it.", text, j.wanted())
	}
	if c.Kind.Held() || c.Stack != "" {
		return fmt.Sprintf("%s The %s one was set there; try it.", text, j.wanted())
	}
	return fmt.Sprintf("%s Give it the %s one (%s) and try it.", text, j.wanted(), j.where())
}

// where says how a person gets at the value that stays.
func (j *job) where() string {
	at := func(path string) string { return path }
	if !j.back && !j.state.AtLeast(journal.Promoted) && j.source != fromPass {
		at = PendingPath
	}
	if j.back && !j.rolled {
		at = PreviousPath
	}
	return "pass show " + store.Quote(at(j.moved[0].Path))
}
