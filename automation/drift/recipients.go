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

// recipients looks at the keys that the secrets are encrypted to: who they are by
// .gpg-id, until when, and whether the entries are really theirs alone.
func (s *scene) recipients(ctx context.Context, out *sheet) {
	told := map[string]bool{}
	folders, found := map[string][]store.Recipient{}, map[string]*unlike{}
	readers := map[string][]string{}
	var unvouched []rotation.NewReader
	for _, sec := range s.chosen {
		for _, e := range sec.Entries {
			folder := path.Dir(e.Path)
			keys, seen := folders[folder]
			if !seen {
				keys = s.keysOf(ctx, e.Path, told, out)
				folders[folder] = keys
			}
			if len(keys) > 0 {
				s.readers(ctx, e, keys, found)
				s.copyReaders(ctx, e, keys, found)
			}
		}
		who, err := rotation.ReadersOf(ctx, s.Store, sec, s.standingOf(ctx, sec.Name).Last)
		if err != nil {
			continue // told above, or the entry cannot be read, which is told too
		}
		for _, k := range who.Keys {
			readers[sec.Name] = append(readers[sec.Name], k.String())
		}
		for _, n := range who.New {
			unvouched = append(unvouched, n)
			if found[n.Key.Folder] == nil {
				found[n.Key.Folder] = &unlike{keys: who.Keys}
			}
		}
	}
	s.mu.Lock()
	s.readable = readers
	s.mu.Unlock()
	for folder, u := range found {
		u.distrust(unvouched)
		out.find(u.anew(folder))
	}
}

// keysOf are the keys of an entry's folder; none where they cannot be told.
func (s *scene) keysOf(ctx context.Context, entry string, told map[string]bool, out *sheet) []store.Recipient {
	folder := path.Dir(entry)
	keys, err := s.Store.Recipients(ctx, entry)
	if store.KindOf(err) == store.Expired {
		out.find(Finding{Code: Expiring, Subject: "pass/" + folder, Severity: Error, Fix: s.Next(err),
			Detail: "a key that its entries are encrypted to has expired, so none can be written: " + err.Error()})
		return nil
	}
	if err != nil {
		out.gap("pass/"+folder, err, "pass git log -- .gpg-id")
		return nil
	}
	for _, k := range keys {
		if told[k.Fingerprint] || k.Expires.IsZero() || k.Expires.After(s.Now().Add(soon)) {
			continue
		}
		told[k.Fingerprint] = true
		out.find(Finding{Code: Expiring, Subject: "key/" + k.Fingerprint, Severity: Warning,
			Detail: "the key that pass encrypts to ends on " + Day(k.Expires) + "; after that no entry can be written",
			Fix:    "gpg --quick-set-expire " + k.Fingerprint + " 1y '*' && gpg --quick-set-expire " + k.Fingerprint + " 1y"})
	}
	return keys
}

// hiddenReader is a recipient that gpg was told not to name.
const hiddenReader = "0000000000000000"

// unlike are the entries under one .gpg-id that are encrypted to others than it
// names.
type unlike struct {
	keys               []store.Recipient
	strangers, lacking []string
	entries            []string
	// copies: they are what rotations keep beside entries, and keys are the entries'.
	copies bool
	// unvouched are keys that nobody is known to have agreed to.
	unvouched []rotation.NewReader
}

// readers compares the keys that an entry is encrypted to with those of its
// .gpg-id: one who has left it may still read what was never encrypted anew, and
// one who has joined may not.
func (s *scene) readers(ctx context.Context, e secrets.Entry, keys []store.Recipient, found map[string]*unlike) {
	entry, err := s.Store.Read(ctx, e.Path)
	if err != nil || len(entry.Readers()) == 0 || slices.Contains(entry.Readers(), hiddenReader) {
		return // what cannot be read has been told
	}
	strangers := store.Strangers(keys, entry.Readers())
	var lacking []string
	for _, k := range keys {
		if !k.Among(entry.Readers()) {
			lacking = append(lacking, k.ID)
		}
	}
	if len(strangers)+len(lacking) == 0 {
		return
	}
	u := found[keys[0].Folder]
	if u == nil {
		u = &unlike{keys: keys}
		found[keys[0].Folder] = u
	}
	u.entries = append(u.entries, e.Path)
	u.strangers, u.lacking = append(u.strangers, strangers...), append(u.lacking, lacking...)
}

// distrust remembers which of the keys nobody is known to have agreed to.
func (u *unlike) distrust(all []rotation.NewReader) {
	for _, n := range all {
		if slices.ContainsFunc(u.keys, func(k store.Recipient) bool { return k.Fingerprint == n.Key.Fingerprint }) {
			u.unvouched = append(u.unvouched, n)
		}
	}
}

// anew reports the entries under one .gpg-id that have to be encrypted anew.
func (u *unlike) anew(folder string) Finding {
	var ids []string
	for _, k := range u.keys {
		ids = append(ids, quoted(k.ID))
	}
	f := Finding{Code: ForeignChange, Subject: path.Join("pass", folder, ".gpg-id"), Severity: Warning, Fix: "pass init " + strings.Join(ids, " ")}
	if folder != "." {
		f.Fix = "pass init --path=" + quoted(folder) + " " + strings.Join(ids, " ")
	}
	distinct := func(ids []string) string {
		return strings.Join(slices.Compact(slices.Sorted(slices.Values(ids))), ", ")
	}
	switch {
	case u.copies:
		f.Subject, f.Severity = path.Join("pass", folder), Error
		f.Detail = "encrypted to " + distinct(u.strangers) + " too, who may not read the entries that they are copies of: encrypt them anew, and rotate what somebody else could read: " + distinct(u.entries)
	case len(u.strangers) > 0:
		f.Severity = Error
		f.Detail = "encrypted to " + distinct(u.strangers) + " too, which it does not name: encrypt them anew, and rotate what somebody else could read: " + distinct(u.entries)
	case len(u.lacking) > 0:
		f.Detail = "not encrypted to " + distinct(u.lacking) + ", which it names: encrypt them anew: " + distinct(u.entries)
	}
	if len(u.unvouched) > 0 {
		// Encrypting anew would hand every value to that key.
		n := u.unvouched[0]
		f.Severity, f.Fix = Error, n.Look()
		f.Detail = n.String() + ": look at that commit; if the key is not to read, take it out of " + n.List() +
			" and rotate what was encrypted to it, and if it is, list every key under store.recipients in the catalog"
	}
	return f
}
