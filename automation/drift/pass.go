package drift

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// soon is how long before its end something is reported as expiring.
const soon = 30 * 24 * time.Hour

// pass compares the store with its remote and with the catalog, and looks at the
// keys that it is encrypted to.
func (s *scene) pass(ctx context.Context, out *sheet) {
	s.synced(ctx, out)
	s.listed(ctx, out)
	s.recipients(ctx, out)
	for _, sec := range s.chosen {
		for _, w := range s.credit(ctx, sec.Name).wrong {
			s.unusable(ctx, sec, w, out)
		}
	}
}

func (s *scene) synced(ctx context.Context, out *sheet) {
	sync, err := s.Store.Compare(ctx)
	if err != nil {
		out.gap("pass/remote", err, "pass git fetch")
		return
	}
	loose := func(detail, fix string) {
		out.find(Finding{Code: Unpushed, Subject: "pass", Severity: Warning, Detail: detail, Fix: fix})
	}
	switch pushed := sync.Pushed(); {
	case !sync.Git:
		loose("the store is no git repository: its values are on this machine alone, and have no history", "pass git init")
	case sync.Remote == "":
		loose("the store has no git remote: its values are on this machine alone", "pass git remote add origin URL && pass git push --set-upstream origin HEAD")
	case sync.InProgress != "":
		loose("a "+sync.InProgress+" is unfinished in the store", "pass git status")
	case sync.Branch == "":
		loose("HEAD is detached, so commits are on no branch", "pass git switch main")
	case len(sync.Dirty) > 0:
		loose("not committed: "+strings.Join(sync.Dirty, ", "), "pass git status")
	case pushed != nil && sync.Upstream != "":
		f := Finding{Code: Unpushed, Subject: "pass", Severity: Warning, Detail: pushed.Error()}
		out.find(f.mendedBy(Repair{Verb: Push}))
	case pushed != nil:
		loose(pushed.Error(), s.Next(pushed))
	}
	if sync.Behind > 0 {
		f := Finding{Code: Behind, Subject: "pass", Severity: Warning, Detail: "the remote has commits that this store lacks, so what is compared here may be old"}
		out.find(f.mendedBy(Repair{Verb: Pull}))
	}
}

// listed compares the entries with the catalog's.
func (s *scene) listed(ctx context.Context, out *sheet) {
	paths, err := s.Store.List(ctx)
	if err != nil {
		out.gap("pass/entries", err, "pass ls")
		return
	}
	known := s.catalogued()
	if s.promoted(ctx) && !slices.Contains(paths, secrets.FingerprintKeyPath) {
		out.find(Finding{Code: MissingEntry, Subject: secrets.FingerprintKeyPath, Severity: Error, Fix: "pass git log --diff-filter=D --oneline -- " + secrets.FingerprintKeyPath + ".gpg",
			Detail: "the key of fingerprints is gone, so that the journal does not tell any more which value is in use: revert the commit that removed it"})
	}
	s.leftovers(ctx, paths, out)
	for _, p := range paths {
		if s.whole() && !known[p] && s.covers(p) {
			out.find(Finding{Code: UnknownEntry, Subject: p, Severity: Warning, Fix: "go run . catalog init",
				Detail: "the catalog answers for its folder and does not know it: describe it there (catalog init makes a proposal), or name it under store.ignore"})
		}
	}
	for p := range known {
		if !slices.Contains(paths, p) {
			owner := s.owner(p)
			if !s.whole() && owner == "" {
				continue
			}
			out.find(Finding{Code: MissingEntry, Subject: p, Severity: Error, Secret: owner, Fix: "pass git log --diff-filter=D --oneline -- " + quoted(p+".gpg"),
				Detail: "the catalog names it, and pass does not have it: the commit that removed it can be reverted (pass git revert COMMIT), or pass insert makes it anew"})
		}
	}
}

// promoted reports whether the journal holds fingerprints.
func (s *scene) promoted(ctx context.Context) bool {
	return slices.ContainsFunc(s.standing(ctx), func(st rotation.Standing) bool { return len(st.Last.Promoted) > 0 })
}

// owner is the chosen secret that has the entry; empty if none has.
func (s *scene) owner(path string) string {
	for _, sec := range s.chosen {
		if slices.ContainsFunc(sec.Entries, func(e secrets.Entry) bool { return e.Path == path }) {
			return sec.Name
		}
	}
	return ""
}

// covers reports whether the catalog answers for a path of the store.
func (s *scene) covers(p string) bool {
	if strings.HasPrefix(p, "rotation/") {
		return false
	}
	at := s.Catalog.Store
	ignored := slices.ContainsFunc(at.Ignore, func(glob string) bool {
		hit, err := path.Match(glob, p)
		return err == nil && hit
	})
	return !ignored && slices.ContainsFunc(at.Covers, func(folder string) bool { return below(p, folder) })
}

// catalogued are all paths of the store that the catalog names.
func (s *scene) catalogued() map[string]bool {
	out := map[string]bool{}
	add := func(paths ...string) {
		for _, p := range paths {
			if p != "" {
				out[p] = true
			}
		}
	}
	for _, sec := range s.Catalog.Secrets {
		for _, e := range sec.Entries {
			add(e.Path)
		}
	}
	for _, id := range s.Catalog.Identifiers {
		add(id.Path)
	}
	at := s.Catalog.Services
	add(at.Cloudflare.Account, at.Clerk.PublishableKey)
	add(at.Cloudflare.Zones...)
	for _, own := range s.Catalog.UsedByProgram() {
		add(own.Path)
	}
	for _, env := range s.Catalog.Environments {
		for _, p := range env.Variables {
			add(p)
		}
	}
	return out
}

// unusable is an entry that cannot be read, or holds what is no credential of its
// kind: then the last one that was can be taken back.
func (s *scene) unusable(ctx context.Context, sec secrets.Secret, w wrong, out *sheet) {
	var shape *secrets.ShapeError
	if store.KindOf(w.err) == store.Missing {
		return // it was found missing
	}
	if !errors.As(w.err, &shape) && store.KindOf(w.err) != store.Format {
		out.gap(sec.Name+"/pass", w.err, "go run . doctor")
		return
	}
	f := Finding{Code: MissingEntry, Subject: w.entry.Path, Secret: sec.Name, Severity: Error, Detail: "pass does not hold its value any more: " + w.err.Error(), Fix: "pass edit " + quoted(w.entry.Path)}
	for _, o := range s.olds(ctx, sec.Name, depth) {
		if commit := o.commits[w.entry.Name()]; commit != "" {
			f.Fix = restore(secrets.Secret{Name: sec.Name, Entries: []secrets.Entry{w.entry}}, o)
			break
		}
	}
	out.find(f)
}
