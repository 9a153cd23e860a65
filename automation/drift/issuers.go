package drift

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/fault"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/stripe"
)

// issuers asks every service about the credentials in pass, about the old ones,
// and for a list of all that live.
func (s *scene) issuers(ctx context.Context, out *sheet) {
	var wg fault.Group
	for _, sec := range s.chosen {
		wg.Go(func() { s.issuer(ctx, sec, out) })
	}
	wg.Wait()
	for _, service := range s.listing() {
		wg.Go(func() { s.unlisted(ctx, service, out) })
	}
	wg.Wait()
}

func (s *scene) issuer(ctx context.Context, sec secrets.Secret, out *sheet) {
	c := s.credit(ctx, sec.Name)
	checker, ok := s.Service(sec.Service)
	if !ok || !c.whole() {
		s.issuerSaid(sec.Name, services.Unknown)
		return // a service without a door, or no value to try
	}
	report, err := checker.Check(ctx, c.current)
	s.issuerSaid(sec.Name, report.State)
	switch {
	case report.State == services.Dead:
		out.find(s.deadInPass(ctx, sec, checker, report))
		return
	case err != nil:
		out.gap(sec.Name, err, "go run . doctor")
		return
	case report.State != services.Alive:
		out.gap(sec.Name, &untoldError{report.Detail}, "go run . doctor")
		return
	}
	if len(report.Missing) > 0 {
		out.find(Finding{Code: ForeignChange, Subject: sec.Service + "/" + sec.Name, Secret: sec.Name, Severity: Warning,
			Detail: "the credential may not: " + strings.Join(report.Missing, ", "), Fix: byHand(sec.Dashboard.URL, "give it these permissions")})
	}
	s.olderAlive(ctx, sec, checker, report, out)
	if sec.Service == stripe.Name && len(sec.Entries) > 1 {
		s.endpoints(ctx, sec, c.current, out)
	}
}

// endpoints finds webhook endpoints beside another one with the same address: each
// has a signing secret of its own, and one of them was to be deleted.
func (s *scene) endpoints(ctx context.Context, sec secrets.Secret, cred services.Credential, out *sheet) {
	all, err := s.Abroad.Endpoints(ctx, cred)
	if err != nil {
		out.gap(sec.Name+"/endpoints", err, "go run . doctor")
		return
	}
	if st := s.standingOf(ctx, sec.Name); st.Waits() || !st.Last.State.Finished() && st.Last.Number > 0 {
		return // two are meant to be there
	}
	if len(all) == 0 {
		out.gap(sec.Name+"/endpoints", errors.New("Stripe lists no webhook endpoint, though pass holds the signing secret of one"), byHand(sec.Dashboard.URL, "look at the webhook endpoints"))
	}
	newest := map[string]stripe.Endpoint{}
	for _, e := range all {
		if was, ok := newest[e.URL]; ok && !e.Disabled && !was.Disabled {
			out.find(Finding{Code: UnlistedCredential, Subject: sec.Service + "/" + plain(was.ID), Secret: sec.Name, Severity: Warning, Fix: byHand(sec.Dashboard.URL, "of the webhook endpoints "+was.ID+" and "+e.ID+" delete the one whose signing secret is not in pass"),
				Detail: fmt.Sprintf("webhook endpoint %s (made on %s) has the same address as %s, so two signing secrets are valid, and pass holds one", was.ID, Day(was.Created), e.ID)})
		}
		if !e.Disabled {
			newest[e.URL] = e
		}
	}
}

// deadInPass is a value in pass that its service refuses. Where the one before it
// lives, pass was edited by mistake: a rotation would retire the mistake.
func (s *scene) deadInPass(ctx context.Context, sec secrets.Secret, checker services.Checker, now services.Report) Finding {
	f := Finding{Code: CredentialDead, Subject: sec.Name, Secret: sec.Name, Severity: Error, Detail: sec.Service + " refuses the value in pass: " + now.Detail}
	for _, o := range s.olds(ctx, sec.Name, 1) {
		if report, _ := checker.Check(ctx, o.values); report.State == services.Alive && s.tried(now, o.values, s.credit(ctx, sec.Name).current) {
			f.Detail += "; the value before it is alive, so what was put there since is a mistake, or was never valid: take it back"
			f.Fix, f.mistake = restore(sec, o), true
			return f
		}
	}
	return f.mendedBy(Repair{Renew, sec.Name})
}

// restore is the command that gives pass its older value back.
func restore(sec secrets.Secret, o old) string {
	var steps []string
	for _, e := range sec.Entries {
		if commit := o.commits[e.Name()]; commit != "" {
			steps = append(steps, "pass git checkout "+commit[:min(len(commit), 12)]+" -- "+quoted(e.Path+".gpg"))
		}
	}
	return strings.Join(append(steps, "pass git commit -m "+quoted("Restore "+sec.Name), "pass git push"), " && ")
}

// tried reports whether an answer about the one would be another one's: some entry
// that the service looks at is not the same.
func (s *scene) tried(now services.Report, a, b services.Credential) bool {
	return slices.ContainsFunc(now.Checked, func(entry string) bool { return !a[entry].Equal(b[entry]) })
}

// olderAlive tries the values from before: what was rotated away must be dead. It
// goes back to the first one that a rotation has seen refused.
func (s *scene) olderAlive(ctx context.Context, sec secrets.Secret, checker services.Checker, now services.Report, out *sheet) {
	st := s.standingOf(ctx, sec.Name)
	// While a rotation is under way the old value is meant to live, and what was
	// edited into pass is not rolled out yet: then the old one is in use.
	if st.Err != nil || st.Waits() || st.Last.Number > 0 && !st.Last.State.Finished() || s.edited(ctx, sec.Name) {
		return
	}
	c := s.credit(ctx, sec.Name)
	all := s.olds(ctx, sec.Name, 1)
	if len(all) == 1 && !s.seenDead(ctx, sec.Name, all[0].values) {
		all = s.olds(ctx, sec.Name, depth)
	}
	if c.previous != nil {
		all = append([]old{{values: c.previous}}, all...)
	}
	for _, o := range all {
		if !s.tried(now, o.values, c.current) {
			continue
		}
		report, err := checker.Check(ctx, o.values)
		switch {
		case report.State == services.Alive && len(st.Last.Promoted) > 0:
			out.find(Finding{Code: OldStillAlive, Subject: sec.Name, Secret: sec.Name, Severity: Error, Fix: retire(sec),
				Detail: sec.Service + " accepts a value that was replaced since"})
			return
		case report.State == services.Alive:
			f := Finding{Code: OldStillAlive, Subject: sec.Name, Secret: sec.Name, Severity: Warning,
				Detail: sec.Service + " still accepts a value that pass held before: it was edited by hand, and never rolled out or never retired"}
			out.find(f.mendedBy(Repair{Pending, sec.Name}))
			return
		case err != nil && report.State != services.Dead:
			out.gap(sec.Name+"/old", err, "go run . doctor")
			return
		case s.seenDead(ctx, sec.Name, o.values):
			return
		}
	}
}

// seenDead reports whether some rotation has ended with the proven death of a value
// of this credential.
func (s *scene) seenDead(ctx context.Context, secret string, o services.Credential) bool {
	log, err := s.Records.Journal.Open(ctx, secret)
	if err != nil {
		return false
	}
	events, err := log.Events(ctx)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(events, func(e journal.Event) bool {
		if e.State != journal.Done || e.RevokedAt.IsZero() {
			return false
		}
		for name, move := range e.Entries {
			if v := o[name]; !v.IsZero() && v.Fingerprint(s.Key) == move.From {
				return true
			}
		}
		return false
	})
}

// retire is what a person does with a credential that nobody needs.
func retire(sec secrets.Secret) string {
	steps := strings.Join(sec.Dashboard.Retire, " ")
	if steps == "" {
		steps = "Delete the old one."
	}
	return byHand(sec.Dashboard.URL, steps)
}

// listing are the services of chosen secrets that list their credentials.
func (s *scene) listing() []string {
	var out []string
	for _, sec := range s.chosen {
		if _, ok := s.Register(sec.Service); ok && !slices.Contains(out, sec.Service) {
			out = append(out, sec.Service)
		}
	}
	return out
}

// unlisted looks for living credentials of a service that no entry of pass holds,
// and for those that end soon.
func (s *scene) unlisted(ctx context.Context, service string, out *sheet) {
	register, _ := s.Register(service)
	ours := map[string]string{}
	var with services.Credential
	var owner secrets.Secret
	call := func(id string) string { return plain(id) }
	for _, sec := range s.chosen {
		c := s.credit(ctx, sec.Name)
		if sec.Service != service || !c.whole() {
			continue
		}
		for _, cred := range []services.Credential{c.current, c.pending, c.previous} {
			if cred == nil {
				continue
			}
			issued, err := register.Identify(ctx, cred)
			if err != nil {
				if services.KindOf(err) != services.Auth {
					out.gap(sec.Name, err, "go run . doctor")
				}
				continue // a dead one is told elsewhere, and lists nothing
			}
			ours[issued.ID] = sec.Name
			if with == nil {
				with, owner = cred, sec
			}
			if isValue(cred, issued.ID) {
				call = shortened
			}
		}
		last := s.standingOf(ctx, sec.Name).Last
		if !last.State.Finished() {
			ours[last.OldID], ours[last.NewID] = sec.Name, sec.Name
		}
	}
	if with == nil {
		return
	}
	listed, err := register.List(ctx, with)
	if err != nil {
		out.gap(service+"/list", err, "go run . doctor")
		return
	}
	for _, i := range listed {
		if i.Disabled || !i.Expires.IsZero() && !i.Expires.After(s.Now()) {
			continue
		}
		secret, known := ours[i.ID]
		if !known {
			secret, known = ours[rotation.KeyedID(i.ID, s.Key)]
		}
		if known {
			s.ends(i, call(i.ID), secret, out)
			continue
		}
		s.stranger(service, owner, i, call(i.ID), out)
	}
}

// isValue reports whether a service's name of a credential is what an entry of pass
// holds, which no report may show.
func isValue(cred services.Credential, id string) bool {
	name := secrets.NewValue([]byte(id))
	return slices.ContainsFunc(slices.Collect(maps.Values(cred)), name.Equal)
}

// shortened is a name of a credential that may be shown: its last four characters,
// which dashboards show too, and what tells it from others that end in them.
func shortened(id string) string {
	sum := sha256.Sum256([]byte(id))
	return plain("ends-in-" + id[max(0, len(id)-4):] + "-" + hex.EncodeToString(sum[:4]))
}

func (s *scene) ends(i services.Issued, name, secret string, out *sheet) {
	if i.Expires.IsZero() || i.Expires.After(s.Now().Add(soon)) {
		return
	}
	f := Finding{Code: Expiring, Subject: secret, Secret: secret, Severity: Warning, Detail: "its credential " + name + " ends on " + Moment(i.Expires)}
	out.find(f.mendedBy(Repair{Renew, secret}))
}

// stranger is a living credential that pass does not hold. One that carries a
// rotation's label was made by this program and has no owner any more.
func (s *scene) stranger(service string, sec secrets.Secret, i services.Issued, name string, out *sheet) {
	used := "when it was last used is not known"
	if !i.LastUsed.IsZero() {
		used = "last used on " + Day(i.LastUsed)
	}
	f := Finding{Code: UnlistedCredential, Subject: service + "/" + name, formerly: service + "/" + plain(i.ID), Severity: Warning, Secret: sec.Name,
		Detail: fmt.Sprintf("%s lists a living credential %q that pass does not hold (made on %s, %s): delete it, or accept it: %s", service, i.Label, Day(i.Created), used, s.acceptance(UnlistedCredential, service+"/"+name)),
		// Not the acceptance: what is pasted without a thought must not hide it.
		Fix: byHand(sec.Dashboard.URL, "find out whose "+name+" is, and delete it")}
	if strings.HasPrefix(i.Label, rotation.LabelPrefix) {
		f.Severity, f.Detail = Error, f.Detail+"; its label is a rotation's of this program"
		f.Fix = retire(sec)
	}
	out.find(f)
}

func (s *scene) issuerSaid(secret string, state services.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued[secret] = state
}
