package drift

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// copiesOf are the paths at which a rotation keeps values of an entry beside it.
func copiesOf(entry string) []string {
	return []string{rotation.PendingPath(entry), rotation.PreviousPath(entry)}
}

// leftovers are values that a rotation keeps beside their entries and that no
// rotation accounts for: the next one would take them for its own.
func (s *scene) leftovers(ctx context.Context, paths []string, out *sheet) {
	known := map[string]bool{}
	for _, sec := range s.Catalog.Secrets {
		for _, e := range sec.Entries {
			for _, p := range copiesOf(e.Path) {
				known[p] = true
			}
		}
	}
	for _, p := range paths {
		if s.whole() && !known[p] && slices.ContainsFunc(copiesOf(""), func(folder string) bool { return strings.HasPrefix(p, folder) }) {
			out.find(Finding{Code: UnknownEntry, Subject: p, Severity: Warning, Fix: "pass git log --oneline -- " + quoted(p+".gpg"),
				Detail: "a rotation has left it, of an entry that the catalog does not have any more: find out whether its value is still alive, then remove it (pass rm)"})
		}
	}
	for _, sec := range s.chosen {
		st := s.standingOf(ctx, sec.Name)
		if st.Err != nil || !st.Last.State.Finished() && st.Last.Number > 0 || st.Held != nil || len(st.Last.Debts) > 0 {
			continue // it is kept for what is under way, or that is not known
		}
		for _, e := range sec.Entries {
			s.leftover(ctx, sec, e, paths, out)
		}
	}
}

func (s *scene) leftover(ctx context.Context, sec secrets.Secret, e secrets.Entry, paths []string, out *sheet) {
	c := s.credit(ctx, sec.Name)
	pending, previous := rotation.PendingPath(e.Path), rotation.PreviousPath(e.Path)
	f := Finding{Code: UnknownEntry, Secret: sec.Name, Severity: Warning}
	if slices.Contains(paths, pending) {
		f.Subject, f.Fix = pending, "pass rm -f "+quoted(pending)
		if f.Detail = "no rotation is under way that it would be kept for, and it is the value in use"; !c.pending[e.Name()].Equal(c.current[e.Name()]) {
			f.Detail = "no rotation is under way that it would be kept for: a new value that was never rolled out"
			f = f.mendedBy(Repair{Pending, sec.Name})
		}
		out.find(f)
	}
	if slices.Contains(paths, previous) {
		f.Subject, f.Repair, f.Fix = previous, Repair{}, "pass rm -f "+quoted(previous)
		f.Detail = "no rotation is under way that it would be kept for, and the next one would take it for the value before"
		out.find(f)
	}
}

// copyReaders compares the keys that the copies of an entry are encrypted to with
// the entry's own: who may not read the entry may not read what it will hold, or
// has held.
func (s *scene) copyReaders(ctx context.Context, e secrets.Entry, keys []store.Recipient, found map[string]*unlike) {
	for _, p := range copiesOf(e.Path) {
		if !s.Store.Exists(p) {
			continue
		}
		strangers := s.strangersOf(ctx, p, keys)
		if len(strangers) == 0 {
			continue
		}
		folder := path.Dir(p)
		if found[folder] == nil {
			found[folder] = &unlike{keys: keys, copies: true}
		}
		u := found[folder]
		u.entries, u.strangers = append(u.entries, p), append(u.strangers, strangers...)
	}
}

// strangersOf are the keys that an entry is encrypted to and that are none of
// these; none where that cannot be told.
func (s *scene) strangersOf(ctx context.Context, p string, keys []store.Recipient) []string {
	entry, err := s.Store.Read(ctx, p)
	if err != nil || slices.Contains(entry.Readers(), hiddenReader) {
		return nil
	}
	return store.Strangers(keys, entry.Readers())
}
