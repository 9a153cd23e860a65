package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/hint"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// choose decides which entries move and where their new values come from, in
// the order of DESIGN section 4. It reads and asks; it changes nothing.
func (r *run) choose(ctx context.Context, j *job) error {
	if slices.Contains(r.Catalog.UsesOf(j.secret), secrets.UsePassphrase) {
		return notRotated(j.secret)
	}
	last := j.log.Last()
	j.hold = last.Hold
	// An adoption that was cut off has nothing that a rotation could go on with.
	if !last.State.Finished() && last.State != journal.Adopting {
		if err := r.resume(ctx, j, last); err != nil {
			return err
		}
		switch r.verb {
		case toRollBack:
			return r.turn(j, last)
		case toRevoke:
			return r.notYet(ctx, j, last)
		}
		return nil
	}
	switch r.verb {
	case toRollBack:
		return r.nothingToRollBack(j, last)
	case toRevoke:
		return r.nothingToRevoke(ctx, j, last)
	}
	j.id, j.state, j.old = r.NewID(), journal.Planned, clone(j.current)
	switch {
	case len(r.options.Typed) > 0:
		if err := r.takeTyped(j); err != nil {
			return err
		}
		return r.passedOver(ctx, j)
	case !r.options.New:
		found, err := r.waiting(ctx, j)
		if err == nil && !found {
			found, err = r.unrevoked(ctx, j)
		}
		if err != nil || found {
			return err
		}
	}
	if r.options.Pending {
		return &nothingError{"nothing is pending: pass holds what was rolled out"}
	}
	j.source, j.moved = fromPerson, r.only(j.secret.Entries)
	if err := r.without(j); err != nil {
		return err
	}
	if err := r.whole(j); err != nil {
		return err
	}
	if err := r.passedOver(ctx, j); err != nil {
		return err
	}
	byAPI, err := r.canIssue(ctx, j)
	if byAPI {
		j.source = fromIssuer
	}
	return err
}

// notRotated refuses to change the passphrase of stacks: their secrets are encrypted
// under it, so another value in pass would lock every one of them.
func notRotated(s secrets.Secret) error {
	return &Error{Reason: Misused, Secret: s.Name, Detail: "it is the passphrase of stacks, whose secrets are encrypted under it: with another value in pass none could be opened",
		Next: []string{"pulumi stack change-secrets-provider passphrase --stack STACK   (for every stack, then put the new one into pass)"}}
}

// whole refuses to change a part of a pair: one new half beside an old one is a
// credential that no service accepts (failures 32).
func (r *run) whole(j *job) error {
	if !j.secret.Pair || len(j.moved) == len(j.secret.Entries) {
		return nil
	}
	out := &Error{Reason: Misused, Secret: j.secret.Name, Detail: "its entries " + names(j.secret.Entries) + " change together, and only " + names(j.moved) + " would change",
		Next: []string{resumeCommand(r, j).Without("--entry").String()}}
	if j.source == fromPass {
		out.Reason, out.Next = Failed, nil
		for _, e := range j.secret.Entries {
			if !j.moves(e.Name()) {
				out.Next = append(out.Next, "pass edit "+store.Quote(e.Path))
			}
		}
		out.Next = append(out.Next, resumeCommand(r, j).String(), "if the other one stays the same, give both: "+rotateCommand(r, j.secret.Name).With("--value-stdin").String())
	}
	return out
}

// passedOver: pass may hold a value that was never rolled out, while this
// rotation brings another one. The old value is then the one that consumers run
// with and not pass's; and where such an entry does not move, its value would
// be taken along although no rotation has tested it (DESIGN 4.4).
func (r *run) passedOver(ctx context.Context, j *job) error {
	_, found, err := r.told(ctx, j)
	if err != nil {
		return err
	}
	for _, e := range j.secret.Entries {
		old, edited := found[e.Name()]
		switch {
		case edited && !j.moves(e.Name()):
			return &Error{Reason: Misused, Secret: j.secret.Name, Detail: "pass holds a value in " + e.Path + " that was never rolled out, and this call would take it along untested",
				Next: []string{rotateCommand(r, j.secret.Name).With("--pending").String()}}
		case edited && old.IsZero():
			delete(j.old, e.Name())
		case edited:
			j.old[e.Name()] = old
		}
	}
	return nil
}

// nothingError ends a secret's part of a call well: there is nothing to do.
type nothingError struct{ text string }

func (e *nothingError) Error() string { return e.text }

// only applies --entry.
func (r *run) only(entries []secrets.Entry) []secrets.Entry {
	if r.options.Entry == "" {
		return entries
	}
	return slices.DeleteFunc(slices.Clone(entries), func(e secrets.Entry) bool { return e.Name() != r.options.Entry })
}

// without makes next from current, less the entries that move.
func (r *run) without(j *job) error {
	if len(j.moved) == 0 {
		return &Error{Reason: Misused, Secret: j.secret.Name, Detail: fmt.Sprintf("it has no entry %q; its entries are %s", r.options.Entry, names(j.secret.Entries)),
			Next: []string{resumeCommand(r, j).With(hint.Flag("--entry", j.secret.Entries[0].Name())).String()}}
	}
	j.next = clone(j.current)
	for _, e := range j.moved {
		delete(j.next, e.Name())
	}
	return nil
}

func (r *run) takeTyped(j *job) error {
	j.source = fromTyped
	for name := range r.options.Typed {
		if _, ok := j.secret.Entry(name); !ok {
			return &Error{Reason: Misused, Secret: j.secret.Name, Detail: fmt.Sprintf("it has no entry %q; its entries are %s", name, names(j.secret.Entries)), Next: []string{"go run . catalog list"}}
		}
	}
	for _, e := range j.secret.Entries {
		if _, typed := r.options.Typed[e.Name()]; typed {
			j.moved = append(j.moved, e)
		}
	}
	if err := r.whole(j); err != nil {
		return err
	}
	j.next = clone(j.current)
	for _, e := range j.moved {
		if err := r.accept(j, e, r.options.Typed[e.Name()]); err != nil {
			return err
		}
	}
	return nil
}

// accept takes a new value for an entry after its format was tested.
func (r *run) accept(j *job, e secrets.Entry, v secrets.Value) error {
	if err := e.Check(v); err != nil {
		return &Error{Reason: Misused, Secret: j.secret.Name, Step: "taking the new value", Err: err, Next: []string{resumeCommand(r, j).With(hint.Flag("--entry", e.Name())).String()}}
	}
	// Half of a new pair may be what it was: the whole decides.
	if v.Equal(j.current[e.Name()]) && !j.secret.Pair {
		return &Error{Reason: Misused, Secret: j.secret.Name, Step: "taking the new value", Detail: "entry " + e.Path + " holds this value already: it is not a new one", Next: []string{rotateCommand(r, j.secret.Name).With("--new").String()}}
	}
	j.next[e.Name()] = v
	return nil
}

// waiting looks for values that were stored or edited and never rolled out.
func (r *run) waiting(ctx context.Context, j *job) (bool, error) {
	pending, err := r.read(ctx, j.secret, PendingPath)
	if err != nil {
		return false, err
	}
	j.next = clone(j.current)
	for _, e := range j.secret.Entries {
		if v, ok := pending[e.Name()]; ok && !v.Equal(j.current[e.Name()]) {
			j.source, j.moved, j.next[e.Name()] = fromPending, append(j.moved, e), v
		}
	}
	if len(j.moved) > 0 {
		return true, nil
	}
	verdict, err := r.edited(ctx, j)
	if err != nil {
		return false, err
	}
	for _, e := range j.secret.Entries {
		if old, ok := verdict[e.Name()]; ok {
			j.source, j.moved, j.old[e.Name()] = fromPass, append(j.moved, e), old
		}
	}
	if len(j.moved) == 0 {
		return false, nil
	}
	return true, r.whole(j)
}

// read gives the values of a secret's entries as they stand under another path;
// entries that are not there are left out.
func (r *run) read(ctx context.Context, s secrets.Secret, at func(string) string) (services.Credential, error) {
	out := services.Credential{}
	for _, e := range s.Entries {
		if !r.Store.Exists(at(e.Path)) {
			continue
		}
		entry, err := r.Store.Read(ctx, at(e.Path))
		if err != nil {
			return nil, err
		}
		if out[e.Name()], err = entry.Secret(e.Read); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// resume takes up an unfinished rotation where the journal says it stands.
func (r *run) resume(ctx context.Context, j *job, last journal.Event) error {
	j.id, j.state, j.source, j.oldDead, j.continued = last.Rotation, last.State, last.Source, last.OldDead, true
	j.askedBefore = last.State == journal.Staging
	j.newID, j.oldID, j.debts, j.stale = last.NewID, last.OldID, last.Debts, last.Stale
	j.back = last.State == journal.RollingBack || r.verb == toRollBack
	for _, e := range j.secret.Entries {
		if _, ok := last.Entries[e.Name()]; ok {
			j.moved = append(j.moved, e)
		}
	}
	if len(j.moved) == 0 {
		j.moved = j.secret.Entries
	}
	if err := r.recall(ctx, j, last); err != nil {
		return err
	}
	if !j.known() {
		j.newID = "" // what it names was never stored
	}
	if j.back {
		return errors.Join(r.onlyBack(j), r.editedSinceThen(j))
	}
	if r.options.New && !j.state.AtLeast(journal.Deploying) {
		// No consumer has the value that was stored: a fresh one takes its place.
		if j.known() && j.source != fromIssuer {
			r.Watch.Begin(j.secret.Name, "").Warn("the new value that was made before is dropped: delete it at " + j.secret.Dashboard.URL)
		}
		j.state = journal.Staging
		return r.without(j)
	}
	if anew, err := r.restart(ctx, j); anew || err != nil {
		return err
	}
	if err := r.stillIssues(ctx, j); err != nil {
		return err
	}
	if err := r.otherTyped(j); err != nil {
		return err
	}
	if err := r.editedSinceThen(j); err != nil {
		return err
	}
	return r.lost(j)
}

// recall finds the values that the journal knows by their fingerprints: in pass,
// in its history, in the stacks' config.
func (r *run) recall(ctx context.Context, j *job, last journal.Event) error {
	pending, err := r.read(ctx, j.secret, PendingPath)
	if err != nil {
		return err
	}
	previous, err := r.read(ctx, j.secret, PreviousPath)
	if err != nil {
		return err
	}
	j.next, j.old = clone(j.current), clone(j.current)
	for _, e := range j.moved {
		name, move := e.Name(), last.Entries[e.Name()]
		delete(j.next, name)
		delete(j.old, name)
		for _, v := range []secrets.Value{pending[name], j.current[name], previous[name]} {
			r.recognise(j, name, move, v)
		}
		if j.old[name].IsZero() && move.From != "" {
			j.old[name], err = r.find(ctx, j, e, move.From)
		}
		if err == nil && j.next[name].IsZero() && move.To != "" {
			j.next[name], err = r.find(ctx, j, e, move.To)
		}
		if err != nil {
			return err
		}
		// Written but not yet journalled: a value in rotation/pending while the
		// journal knows none is the one that was asked for.
		if v := pending[name]; move.To == "" && !v.IsZero() {
			j.next[name] = v
		}
	}
	return nil
}

// onlyBack refuses what a rollback under way would drop in silence.
func (r *run) onlyBack(j *job) error {
	if len(r.options.Typed) == 0 && !r.options.New {
		return nil
	}
	return &Error{Reason: Misused, Secret: j.secret.Name, Detail: "rotation " + j.id + " is being rolled back; finish that first, then give or make a new value",
		Next: []string{rollbackCommand(r, j.secret.Name).String()}}
}

// stillIssues has a person make the new value where the service's API was to,
// and cannot any more: the present credential died or lost the right.
func (r *run) stillIssues(ctx context.Context, j *job) error {
	if j.source != fromIssuer || j.known() || r.verb != toRotate {
		return nil
	}
	byAPI, err := r.canIssue(ctx, j)
	if !byAPI {
		j.source = fromPerson
	}
	return err
}

func (r *run) editedSinceThen(j *job) error {
	for _, e := range j.moved {
		if err := r.foreign(j, e, j.current[e.Name()]); err != nil {
			return err
		}
	}
	return nil
}

// foreign refuses to go on over a value that somebody put into the entry since
// the rotation began: promoting would overwrite it in silence, and it may be a
// living credential.
func (r *run) foreign(j *job, e secrets.Entry, have secrets.Value) error {
	began := j.log.Last().Entries[e.Name()].Pass
	if j.state.AtLeast(journal.Grace) || began == "" || began == have.Fingerprint(r.Key) || have.Equal(j.next[e.Name()]) || have.Equal(j.old[e.Name()]) {
		return nil
	}
	return &Error{Reason: Failed, Secret: j.secret.Name, Step: "going on with rotation " + j.id,
		Detail: "entry " + e.Path + " was edited since the rotation began, and holds a value that is none of its own",
		Next:   []string{"pass git log -p -- " + e.Path + ".gpg", "keep the edited value elsewhere, put the old one back with pass git revert and push, then: " + resumeCommand(r, j).String(), "then roll the edited value out: " + rotateCommand(r, j.secret.Name).With("--value-stdin").String()}}
}

// otherTyped refuses values on standard input that the unfinished rotation
// would not use: they must not be dropped in silence.
func (r *run) otherTyped(j *job) error {
	for name, v := range r.options.Typed {
		if have := j.next[name]; !have.IsZero() && !have.Equal(v) {
			return &Error{Reason: Misused, Secret: j.secret.Name, Detail: "rotation " + j.id + " is not finished (" + string(j.state) + ") and has another new " + name + "; finish it first, then give this value",
				Next: []string{rotateCommand(r, j.secret.Name).String()}}
		}
	}
	return nil
}

func (r *run) recognise(j *job, name string, move journal.Move, v secrets.Value) {
	if v.IsZero() {
		return
	}
	switch v.Fingerprint(r.Key) {
	case move.To:
		j.next[name] = v
	case move.From:
		j.old[name] = v
	}
}

// lost: the journal knows a new value that pass does not hold any more. Until
// the value is known to be stored, that is a run that was killed just before
// storing it: no consumer has it, and a new one is asked for.
func (r *run) lost(j *job) error {
	if !j.state.AtLeast(journal.Pretest) {
		return nil
	}
	for _, e := range j.moved {
		if move := j.log.Last().Entries[e.Name()]; move.To != "" && j.next[e.Name()].IsZero() {
			return &Error{Reason: Failed, Secret: j.secret.Name, Step: "going on with rotation " + j.id,
				Detail: fmt.Sprintf("the new value %s of %s is neither in %s nor in the entry", move.To.Short(), e.Path, PendingPath(e.Path)),
				Next:   []string{"pass git log -- " + PendingPath(e.Path) + ".gpg", "restore it with pass insert, then: " + resumeCommand(r, j).String()}}
		}
	}
	return nil
}
