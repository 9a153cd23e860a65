package drift

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/fault"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/stripe"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// Abroad is what the services show of the places that hold copies. All of it is
// read, with the credentials that pass holds.
type Abroad interface {
	// Versions are a Worker's versions, newest first, back to since.
	Versions(ctx context.Context, worker string, since time.Time) ([]cloudflare.Version, error)
	// Serving says which of them serve now.
	Serving(ctx context.Context, worker string) (cloudflare.Deployment, error)
	// Workers are the names of all Workers of the account.
	Workers(ctx context.Context) ([]string, error)
	// Containers are all of the region, with the hashes of their secret variables.
	Containers(ctx context.Context) ([]scaleway.Container, error)
	// Endpoints are the webhook endpoints of the key's account.
	Endpoints(ctx context.Context, cred services.Credential) ([]stripe.Endpoint, error)
	// Actions says when each secret of a place of GitHub's was last set.
	Actions(ctx context.Context, h hosted.Holder) (map[string]time.Time, error)
}

// skew is how far a service's clock may be from ours.
const skew = time.Minute

// cutOff is how long after the last event of a run that was cut off a write of it
// may still have happened.
const cutOff = 15 * time.Minute

// span is a time in which a write to a holder was ours.
type span struct{ from, to time.Time }

// ours are the spans of our own writes to a holder, and since when all that
// happens there is known: the end of the last rotation or adoption of a secret
// that it holds. Zero: nothing was ever rolled out there by this program.
func (s *scene) ours(ctx context.Context, d declared) (spans []span, since time.Time, err error) {
	done := map[string]bool{}
	for _, o := range d.names {
		if done[o.secret] {
			continue
		}
		done[o.secret] = true
		log, err := s.Records.Journal.Open(ctx, o.secret)
		if err != nil {
			return nil, since, err
		}
		events, err := log.Events(ctx)
		if err != nil {
			return nil, since, err
		}
		for i, e := range events {
			if e.State.Finished() || e.State == journal.Grace {
				if e.Time.After(since) {
					since = e.Time
				}
				continue
			}
			end := e.Time.Add(cutOff)
			if i+1 < len(events) && events[i+1].Time.Before(end) {
				end = events[i+1].Time
			}
			spans = append(spans, span{e.Time.Add(-skew), end.Add(skew)})
		}
	}
	return spans, since, nil
}

func within(spans []span, t time.Time) bool {
	return slices.ContainsFunc(spans, func(p span) bool { return !t.Before(p.from) && !t.After(p.to) })
}

// changes looks for what somebody else changed at the holders since our last
// write, for what a code rollback would bring back, and for what does not run.
func (s *scene) changes(ctx context.Context, out *sheet) {
	var wg fault.Group
	for _, d := range s.holders() {
		wg.Go(func() {
			spans, since, err := s.ours(ctx, d)
			switch {
			case err != nil:
				out.gap(subject(d.holder), err, "go run . history")
			case d.holder.Kind == hosted.Worker:
				s.worker(ctx, d, spans, since, out)
			case d.holder.Kind.Package() == hosted.GitHub && !since.IsZero():
				s.set(ctx, d, spans, since, out)
			}
		})
	}
	wg.Go(func() { s.running(ctx, out) })
	wg.Wait()
}

// worker compares a Worker's versions with our writes.
func (s *scene) worker(ctx context.Context, d declared, spans []span, since time.Time, out *sheet) {
	all, err := s.Abroad.Versions(ctx, d.holder.Name, since)
	var serving cloudflare.Deployment
	if err == nil {
		serving, err = s.Abroad.Serving(ctx, d.holder.Name)
	}
	if services.KindOf(err) == services.NotFound {
		return // the layer names has found that nothing of it is there
	}
	if err != nil {
		out.gap(subject(d.holder), err, "go run . doctor")
		return
	}
	s.deployed(d, all, serving, out)
	// Rolled out by hand, there is nothing of ours to compare with.
	if !since.IsZero() {
		s.versions(ctx, d, all, spans, since, out)
	}
}

// deployment ends the subject of what is wrong with which version serves.
const deployment = "/deployment"

// deployed finds a Worker whose newest version does not serve: after a rollback of
// code, secrets of old run again; and no secret can be written (code 10215).
func (s *scene) deployed(d declared, all []cloudflare.Version, now cloudflare.Deployment, out *sheet) {
	if len(all) == 0 || len(now.Shares) == 0 {
		out.gap(subject(d.holder), errors.New("Cloudflare lists no version of it, or none that serves, though it has secrets"), "wrangler deployments list --name "+d.holder.Name)
		return
	}
	if len(now.Shares) == 1 && now.Shares[0].Version == all[0].ID {
		return
	}
	var serving []string
	for _, share := range now.Shares {
		serving = append(serving, share.Version)
	}
	f := Finding{Code: ForeignChange, Subject: subject(d.holder) + deployment, Severity: Warning, stack: s.stackAt(d),
		Detail: "its newest version " + all[0].ID + " does not serve, so no secret can be written and a rotation would be refused; what serves: " + strings.Join(serving, ", ") +
			"; find out why, then deploy the newest version (wrangler versions deploy) or the older code anew (wrangler deploy)",
		Fix: "wrangler deployments list --name " + d.holder.Name}
	if now.TriggeredBy == "rollback" {
		f.Severity, f.Detail = Error, "the code was rolled back on "+Moment(now.Created)+", and the secrets with it; "+f.Detail
	}
	out.find(f)
}

// versions finds a version that a change of secrets made and that was not ours.
func (s *scene) versions(ctx context.Context, d declared, all []cloudflare.Version, spans []span, since time.Time, out *sheet) {
	at, last := subject(d.holder), len(all)
	for i, v := range all {
		if v.TriggeredBy != secretEdit {
			continue
		}
		if within(spans, v.Created) {
			last = i
			break
		}
		if v.Created.After(since.Add(skew)) {
			f := Finding{Code: ForeignChange, Subject: at, Severity: Warning, stack: s.stackAt(d), holder: at,
				Detail: fmt.Sprintf("somebody changed its secrets on %s (version %s, by %s through %s), and it was no rotation", Moment(v.Created), v.ID, orSomebody(v.Author), v.Source)}
			out.find(f.mendedBy(s.known(ctx, secretAt(d))))
			break
		}
	}
	older := 0
	for _, v := range all[min(last+1, len(all)):] {
		if v.Deployable {
			older++
		}
	}
	if older > 0 && s.dead(ctx, d) {
		out.find(Finding{Code: RollbackRisk, Subject: at, Severity: Info, stack: s.stackAt(d),
			Detail: fmt.Sprintf("%d older versions can still be deployed and hold values that are dead by now: a code rollback would bring them back; deploy the older code anew instead", older),
			Fix:    "wrangler deploy"})
	}
}

// running finds containers that consumers of the catalog are, and that do not run
// with what they were last given.
func (s *scene) running(ctx context.Context, out *sheet) {
	all, err := s.containersNow(ctx)
	if err != nil {
		if !s.whole() { // else the layer copies says so
			out.gap("container", err, "go run . doctor")
		}
		return
	}
	for _, c := range all {
		if _, ours := s.variables(ctx, c); !ours || c.Status == "ready" && c.Error == "" {
			continue
		}
		detail := "it is " + c.Status
		if c.Error != "" {
			detail += ": " + c.Error
		}
		out.find(Finding{Code: ForeignChange, Subject: join("container", c.Namespace, c.Name), Severity: Error,
			Detail: detail + "; what it runs with is not what it was last given", Fix: "scw container container deploy " + quoted(c.ID)})
	}
}

// secretEdit is what Cloudflare says of a version that a change of secrets made.
const secretEdit = "secret"

func orSomebody(author string) string {
	if author == "" {
		return "somebody"
	}
	return author
}

// dead reports whether a value that the holder had was rotated away and is dead.
func (s *scene) dead(ctx context.Context, d declared) bool {
	for _, o := range d.names {
		if !s.standingOf(ctx, o.secret).Last.RevokedAt.IsZero() {
			return true
		}
	}
	return false
}

// set compares the dates of Actions secrets with our writes.
func (s *scene) set(ctx context.Context, d declared, spans []span, since time.Time, out *sheet) {
	at, err := s.Abroad.Actions(ctx, d.holder)
	if err != nil {
		out.gap(subject(d.holder), err, "go run . doctor")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		when, listed := at[name]
		if !listed || within(spans, when) || !when.After(since.Add(skew)) {
			continue
		}
		o := d.names[name]
		f := Finding{Code: ForeignChange, Subject: subject(d.holder) + "/" + name, Secret: o.secret, Severity: Warning, stack: o.stack,
			Detail: "somebody set it on " + Moment(when) + ", and it was no rotation; GitHub shows no value, so which one it has is not known"}
		out.find(f.mendedBy(s.known(ctx, o.secret)))
	}
}

func (s *scene) stackAt(d declared) string {
	for _, o := range d.names {
		return o.stack
	}
	return ""
}

// secretAt is a secret that the holder has: what is adopted or rotated anew ends
// what is held against the holder's past.
func secretAt(d declared) string {
	return d.names[slices.Sorted(maps.Keys(d.names))[0]].secret
}
