package rotation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/internal/hint"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// openTargets opens every stack that a chosen secret is deployed to, and
// refuses those that an up would find locked or half-done.
func (r *run) openTargets(ctx context.Context, jobs []*job) error {
	var names []string
	for _, j := range jobs {
		for _, c := range j.secret.Consumers {
			if c.Stack != "" && !slices.Contains(names, c.Stack) {
				names = append(names, c.Stack)
			}
		}
	}
	targets, err := r.Fleet.Open(ctx, names...)
	if err != nil {
		return err
	}
	r.targets = targets
	for _, t := range targets {
		if err := r.awaitOrphans(ctx, t); err != nil {
			return err
		}
		if err := t.CheckSpace(ctx); err != nil {
			return err
		}
	}
	return nil
}

// wants are the config secrets a target must hold: the new values of the jobs,
// and for every other key the value last promoted, so that no up takes along
// what no rotation has tested (DESIGN 4.4). Values not known yet are left out;
// stale lists the keys that are set without being rotated.
func (r *run) wants(ctx context.Context, t *rollout.Target) (want map[string]secrets.Value, stale []string, err error) {
	want = map[string]secrets.Value{}
	for _, key := range t.Keys() {
		ref := t.Refs[key]
		if j := r.jobOf(ref.Secret); j != nil {
			if v := j.goal()[ref.Entry]; !v.IsZero() {
				want[key] = v
			}
			continue
		}
		v, err := r.promoted(ctx, t, key)
		if err != nil {
			return nil, nil, err
		}
		if have, ok := t.Values[key]; !v.IsZero() && !(ok && have.Equal(v)) {
			want[key] = v
			if ok {
				stale = append(stale, key)
			}
		}
	}
	return want, stale, nil
}

func (r *run) jobOf(secret string) *job {
	for _, j := range r.jobs {
		if j.secret.Name == secret && !slices.Contains(r.closing(), j) {
			return j
		}
	}
	return nil
}

// promoted is the value of a secret that is not being rotated now, as it was
// last promoted: pass's or the previous one, whichever the journal vouches for.
// Without a journal the stack's own value stays, and where it has none, pass's
// is taken: that is the value that was rolled out by hand.
func (r *run) promoted(ctx context.Context, t *rollout.Target, key string) (secrets.Value, error) {
	ref := t.Refs[key]
	s, _ := r.Catalog.Secret(ref.Secret)
	e, ok := s.Entry(ref.Entry)
	if !ok {
		return secrets.Value{}, fmt.Errorf("stack %s: key %s stands for no entry", t.Name, key)
	}
	have, held := t.Values[key]
	log, err := r.Journal.Open(ctx, s.Name)
	if journal.Unreliable(err) && held && r.jobOf(s.Name) == nil {
		return have, nil // another secret's: it bars that one, and what it has stays
	}
	if err != nil {
		return secrets.Value{}, err
	}
	// What an interrupted rotation of it has deployed already is what its
	// consumers run with.
	was, journalled := log.Last().Promoted[ref.Entry]
	// One that is being rolled back belongs on the old value again.
	move := log.Last().Entries[ref.Entry]
	switch state := log.Last().State; {
	case state == journal.RollingBack && move.From != "":
		was, journalled = move.From, true
	case !state.Finished() && state.AtLeast(journal.Deploying) && move.To != "":
		was, journalled = move.To, true
	}
	// What a project does not have, or has in another form, no rotation has set.
	ours := t.Entry.Declared || t.Config.Form(key) == engine.Absent && slices.Contains(log.Last().Keys, t.Record(key))
	if !journalled && held || !held && !ours {
		return have, nil
	}
	current, err := r.read(ctx, secrets.Secret{Entries: []secrets.Entry{e}}, func(p string) string { return p })
	if err != nil || !journalled {
		return current[e.Name()], err
	}
	previous, err := r.read(ctx, secrets.Secret{Entries: []secrets.Entry{e}}, PreviousPath)
	if err != nil {
		return secrets.Value{}, err
	}
	pending, err := r.read(ctx, secrets.Secret{Entries: []secrets.Entry{e}}, PendingPath)
	if err != nil {
		return secrets.Value{}, err
	}
	for _, v := range []secrets.Value{current[e.Name()], pending[e.Name()], previous[e.Name()], have} {
		if !v.IsZero() && v.Fingerprint(r.Key) == was {
			return v, nil
		}
	}
	return have, nil
}

// standIns completes want with values of the right shape for entries whose new
// value is not known yet.
func (r *run) standIns(t *rollout.Target, want map[string]secrets.Value) map[string]secrets.Value {
	out := map[string]secrets.Value{}
	for _, key := range t.Keys() {
		if v, ok := want[key]; ok {
			out[key] = v
			continue
		}
		ref := t.Refs[key]
		if j := r.jobOf(ref.Secret); j != nil && j.moves(ref.Entry) {
			out[key] = services.Wrong(j.current, ref.Entry)[ref.Entry]
		}
	}
	return out
}

// preview runs one masked preview over all stacks, side by side, and makes the
// plan from them. It refuses changes that are not the expected ones.
func (r *run) preview(ctx context.Context) error {
	plans := make([]StackPlan, len(r.targets))
	errs := make([]error, len(r.targets))
	var wg sync.WaitGroup
	for i, t := range r.targets {
		wg.Go(func() { plans[i], errs[i] = r.previewOne(ctx, t) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	r.plan = &Plan{Stacks: plans}
	for _, j := range r.rolling() {
		r.plan.Secrets = append(r.plan.Secrets, r.secretPlan(j))
	}
	r.reportPreviews()
	return nil
}

func (r *run) previewOne(ctx context.Context, t *rollout.Target) (StackPlan, error) {
	line := r.Watch.Begin(t.Name, "previewing")
	want, stale, err := r.wants(ctx, t)
	if err != nil {
		line.Fail("preview failed")
		return StackPlan{}, err
	}
	p, err := t.Preview(ctx, r.standIns(t, want), func(e engine.Event) { line.Say("previewing: " + doing(e)) })
	if err != nil {
		line.Fail("preview failed")
		return StackPlan{}, err
	}
	if err := r.acceptable(t, p); err != nil {
		line.Fail("preview refused")
		return StackPlan{}, err
	}
	line.Done(fmt.Sprintf("preview: %s (%.1f s)", count(p.Changes), p.Seconds))
	return StackPlan{Name: t.Name, Changes: p.Changes, Keys: r.keyPlans(t, want, stale), Seconds: p.Seconds}, nil
}

// acceptable refuses what must not happen, and what nobody expected.
func (r *run) acceptable(t *rollout.Target, p engine.Preview) error {
	if err := t.Destroys(p); err != nil {
		return &Error{Reason: Failed, Step: "preview of stack " + t.Name, Err: err}
	}
	other := t.Unexpected(p)
	if len(other) == 0 || r.options.AllowOther {
		return nil
	}
	var lines []string
	for _, c := range other {
		lines = append(lines, fmt.Sprintf("%s %s (%s)", c.Op, c.Name, strings.Join(c.Diffs, ", ")))
	}
	next := []string{hint.Command{Verb: "preview", Flags: []string{hint.Flag("--stack", t.Entry.Name)}}.String()}
	if r.verb != toAdopt { // which has no such flag
		next = append(next, "if they are right: "+resumeTogether(r, r.jobs).With("--allow-other-changes").String())
	}
	return &Error{Reason: Failed, Step: "preview of stack " + t.Name, Next: next,
		Detail: "an up would make changes that have nothing to do with this rotation: " + strings.Join(lines, "; ")}
}

// keyPlans are the config secrets that will be set in a target.
func (r *run) keyPlans(t *rollout.Target, want map[string]secrets.Value, stale []string) []KeyPlan {
	var out []KeyPlan
	for _, key := range t.Keys() {
		v, set := want[key]
		ref := t.Refs[key]
		j := r.jobOf(ref.Secret)
		if !set && (j == nil || !j.moves(ref.Entry)) {
			continue
		}
		have := t.Values[key]
		if set && have.Equal(v) && j == nil {
			continue
		}
		k := KeyPlan{Key: key, Stale: slices.Contains(stale, key)}
		if !have.IsZero() {
			k.From = have.Fingerprint(r.Key).Short()
		}
		if set {
			k.To = v.Fingerprint(r.Key).Short()
		}
		out = append(out, k)
	}
	return out
}

func (r *run) secretPlan(j *job) SecretPlan {
	p := SecretPlan{
		Name: j.secret.Name, Title: j.secret.Title, Source: j.source, Entries: j.report.Entries, Consumers: j.report.Consumers,
		OldDead: j.oldDead, Grace: r.grace(j), Back: j.back, KillsOld: j.secret.Dashboard.KillsOld && !j.known() && !j.back,
		Adopts: r.verb == toAdopt, Rolls: j.rolls, Readers: j.readers.Keys, Proofs: proofPlans(r.Window, j), Works: worksOnly(j.secret),
	}
	p.ByHand = r.byHand(j)
	p.NoGrace = r.NoGrace && r.options.Grace == nil && !j.oldDead && time.Duration(j.secret.Grace) > 0
	if j.continued && j.known() && !j.back {
		p.Source = fromPending
	}
	if j.continued && (!j.back || j.log.Last().State == journal.RollingBack) {
		p.State = j.state
	}
	return p
}

// reportPreviews puts the previewed stacks into the reports of the secrets that
// they hold.
func (r *run) reportPreviews() {
	for i, t := range r.targets {
		changes := map[string]int{}
		for _, c := range r.plan.Stacks[i].Changes {
			changes[c.Op]++
		}
		r.reportStack(t, StackReport{Name: t.Name, Result: "previewed", Changes: changes, Seconds: r.plan.Stacks[i].Seconds})
	}
}

// reportStack sets a stack's line in every report that it belongs to.
func (r *run) reportStack(t *rollout.Target, s StackReport) {
	for _, j := range r.jobs {
		if !slices.ContainsFunc(j.secret.Consumers, func(c secrets.Consumer) bool { return c.Stack == t.Entry.Name }) {
			continue
		}
		at := slices.IndexFunc(j.report.Stacks, func(x StackReport) bool { return x.Name == s.Name })
		if at < 0 {
			j.report.Stacks = append(j.report.Stacks, s)
		} else {
			j.report.Stacks[at] = s
		}
	}
}

func count(changes []engine.Change) string {
	n := map[string]int{}
	for _, c := range changes {
		n[c.Op]++
	}
	return counts(n)
}

// counts says "2 update, 1 create" in a fixed order, without what stays the same.
func counts(n map[string]int) string {
	var parts []string
	for _, op := range []string{"create", "update", "replace", "delete"} {
		if n[op] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", n[op], op))
			delete(n, op)
		}
	}
	delete(n, "same")
	for op, c := range n {
		parts = append(parts, fmt.Sprintf("%d %s", c, op))
	}
	if len(parts) == 0 {
		return "no change"
	}
	slices.Sort(parts[min(len(parts), 4):])
	return strings.Join(parts, ", ")
}
