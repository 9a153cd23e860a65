package drift

import (
	"context"

	"github.com/sanmarcsoft/secret-rotation/automation/fault"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// What a consumer that does not run with pass's value may run with instead.
const (
	nextValue = "the value that waits in pass to be promoted"
	lastValue = "the previous value"
	oldValue  = "a value from before"
)

// values asks every consumer which value it runs with.
func (s *scene) values(ctx context.Context, out *sheet) {
	var wg fault.Group
	for _, sec := range s.chosen {
		c := s.credit(ctx, sec.Name)
		for _, consumer := range s.consumers(sec) {
			if !c.whole() {
				// There is nothing to compare with; the pass layer says why.
				s.answered(sec.Name, proof.Result{Consumer: consumer.Name, Kind: consumer.Kind, Proof: consumer.Probe.Kind}, consumer)
				continue
			}
			wg.Go(func() { s.valueAt(ctx, sec, consumer, c, out) })
		}
	}
	wg.Wait()
}

func (s *scene) valueAt(ctx context.Context, sec secrets.Secret, consumer secrets.Consumer, c *credit, out *sheet) {
	q := proof.Question{Secret: sec, Consumer: consumer, Want: c.current}
	if c.pending != nil {
		q.Known = append(q.Known, proof.Known{Name: nextValue, Values: c.pending})
	}
	if c.previous != nil {
		q.Known = append(q.Known, proof.Known{Name: lastValue, Values: c.previous})
	}
	r := s.Asker.Ask(ctx, q)
	if (r.Answer == proof.Unknown || r.Answer == proof.Differs) && r.Has == "" {
		// Pass's own history may know what it runs with.
		for _, o := range s.olds(ctx, sec.Name, depth) {
			q.Known = append(q.Known, proof.Known{Name: oldValue, Values: o.values})
		}
		if len(q.Known) > 0 {
			r = s.Asker.Ask(ctx, q)
		}
	}
	s.answered(sec.Name, r, consumer)
	f := Finding{Subject: join(sec.Name, consumer.Name), Secret: sec.Name, Severity: Error, Detail: r.Detail, stack: consumer.Stack, holder: s.holderOf(consumer),
		consequence: consumer.Probe.By == "login" || consumer.Probe.By == "http"}
	if r.Refused {
		f.Detail = "it answers, and proves neither pass's value nor another one that is known: it runs with another value, or its attest handler is gone"
	}
	f.Code = s.judged(r, consumer)
	switch {
	case f.Code != "":
		out.find(f.mendedBy(s.repair(ctx, sec.Name, f.Code == StaleConsumer)))
	case r.Answer == proof.Unreachable, r.Answer == proof.Unknown && !r.Refused:
		out.gap(f.Subject, &untoldError{r.Detail}, "go run . verify --secret "+sec.Name)
	}
}

// judged is the code of an answer; empty where it is fine, tells nothing, or is
// what another layer says more of: config the stacks' config, names the names.
func (s *scene) judged(r proof.Result, c secrets.Consumer) Code {
	switch {
	case r.Refused:
		return ValueDiffers
	case r.Answer != proof.Differs, r.Beside, c.Probe.By == "config", r.Lacks && s.holderOf(c) != "":
		return ""
	case r.Lacks:
		return MissingAtConsumer
	case r.Has != "", r.Older:
		return StaleConsumer
	}
	return ValueDiffers
}

// untoldError is an answer that tells nothing.
type untoldError struct{ text string }

func (e *untoldError) Error() string { return e.text }

// answered keeps an answer for the view.
func (s *scene) answered(secret string, r proof.Result, c secrets.Consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[secret] = append(s.answers[secret], Consumer{Name: c.Name, Kind: string(c.Kind), Declared: string(c.Probe.Kind),
		Proof: string(r.Proof), Answer: string(r.Answer), Detail: r.Detail})
}

// depth is how many older contents of an entry are looked at.
const depth = 5

// old is what pass held before.
type old struct {
	values services.Credential
	// commits are those that wrote the entries that were different then.
	commits map[string]string
}

// past is how far back in a secret's history somebody wants to look.
type past struct {
	secret string
	depth  int
}

// olds are whole credentials of the past, newest first: what stood in pass before.
// Entries that were not changed together are combined by their place in history.
func (s *scene) olds(ctx context.Context, secret string, depth int) []old {
	s.mu.Lock()
	h := s.past[past{secret, depth}]
	if h == nil {
		h = &once[[]old]{}
		s.past[past{secret, depth}] = h
	}
	s.mu.Unlock()
	return h.get(func() (all []old) {
		sec, _ := s.Catalog.Secret(secret)
		current := s.credit(ctx, secret).current
		values, commits := map[string][]secrets.Value{}, map[string][]string{}
		for _, e := range sec.Entries {
			// Git that does not know, or a content that cannot be opened any more, is
			// no candidate and no gap: this only names what was found to differ.
			entries, _ := s.Store.History(ctx, e.Path, depth)
			for _, entry := range entries {
				if v, err := entry.Secret(e.Read); err == nil && e.Check(v) == nil {
					s.Hide(v)
					values[e.Name()], commits[e.Name()] = append(values[e.Name()], v), append(commits[e.Name()], entry.Commit)
				}
			}
		}
		for i := range depth {
			o := old{services.Credential{}, map[string]string{}}
			for _, e := range sec.Entries {
				o.values[e.Name()] = current[e.Name()]
				if past := values[e.Name()]; i < len(past) {
					o.values[e.Name()], o.commits[e.Name()] = past[i], commits[e.Name()][i]
				}
			}
			if len(o.commits) > 0 {
				all = append(all, o)
			}
		}
		return all
	})
}

// before reports whether the value is one that pass held before.
func (s *scene) before(ctx context.Context, secret, entry string, v secrets.Value) bool {
	for _, o := range s.olds(ctx, secret, depth) {
		if v.Equal(o.values[entry]) {
			return true
		}
	}
	return false
}
