package drift

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// show fills in what pages show beside the findings.
func (s *scene) show(ctx context.Context, r *Report) {
	var names []string
	for _, sec := range s.chosen {
		st := s.standingOf(ctx, sec.Name)
		names = append(names, sec.Name)
		one := Secret{Name: sec.Name, Title: sec.Title, State: string(st.Last.State), Running: st.Held != nil, Debts: append([]string{}, st.Last.Debts...),
			Due: st.Due(), Consumers: s.answersOf(sec.Name), Issuer: string(s.issued[sec.Name]), Readers: s.readable[sec.Name],
			MaxAgeDays: math.Round(sec.MaxAge.Std().Hours()/24*100) / 100}
		if !st.Since.IsZero() {
			age := int(st.Age() / (24 * time.Hour))
			one.AgeDays = &age
		}
		if st.InGrace() {
			one.GraceUntil = st.Last.GraceUntil
		}
		r.Secrets = append(r.Secrets, one)
		for _, c := range one.Consumers {
			r.Copies.count(c)
		}
	}
	// A log that cannot be read is a gap of its layer already.
	past, _ := s.Records.History(ctx, names)
	for _, p := range past {
		r.Rotations = append(r.Rotations, shown(p))
	}
}

func shown(p rotation.Past) Rotation {
	return Rotation{Secret: p.Secret, Rotation: p.Rotation, State: string(p.State), Began: p.Began, Ended: p.Last, RevokedAt: p.RevokedAt, StatedBy: p.StatedBy, By: append([]string{}, p.By...)}
}

// answersOf are a secret's answers in the catalog's order.
func (s *scene) answersOf(secret string) []Consumer {
	out := []Consumer{}
	sec, _ := s.Catalog.Secret(secret)
	for _, c := range sec.Consumers {
		if at := slices.IndexFunc(s.answers[secret], func(a Consumer) bool { return a.Name == c.Name }); at >= 0 {
			out = append(out, s.answers[secret][at])
		}
	}
	return out
}

func (n *Copies) count(c Consumer) {
	n.Total++
	switch {
	case c.Answer == string(proof.Present):
		n.NameOnly++
	case c.Answer == string(proof.Differs):
		n.Differs++
	case c.Answer != string(proof.Match):
		n.Unproven++
	case c.Proof == string(secrets.ProofExact):
		n.Exact++
	case c.Proof == string(secrets.ProofWorks):
		n.Works++
	case c.Proof == string(secrets.ProofConfigured):
		n.Configured++
	default:
		n.Unproven++
	}
}
