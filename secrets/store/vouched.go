package store

import (
	"context"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// listed normalises Options.Recipients.
func listed(ids []string) ([]string, error) {
	var all []string
	for _, id := range ids {
		if !secrets.IsKeyID(id) {
			return nil, &Error{Kind: Recipients, Op: "reading the listed recipients", Next: "gpg --list-keys --with-colons " + shellQuote(id),
				Detail: strconv.Quote(id) + " is not a full fingerprint, a long key id or a user id with an address"}
		}
		if hex, ok := secrets.KeyDigits(id); ok {
			id = hex
		}
		all = append(all, id)
	}
	return all, nil
}

// Unlisted are those of the keys that Options.Recipients does not name; none where
// it names none at all.
func (s *Store) Unlisted(ctx context.Context, all []Recipient) []Recipient {
	if len(s.pins) == 0 {
		return nil
	}
	allowed := slices.Clone(s.pins)
	out := slices.DeleteFunc(slices.Clone(all), func(r Recipient) bool { return slices.Contains(allowed, r.Fingerprint) })
	if len(out) == 0 {
		return nil
	}
	// A subkey's fingerprint, a key id or a user id: the keyring knows whose. What
	// it does not know allows nobody.
	for _, pin := range s.pins {
		if r, err := s.recipient(ctx, "", pin); err == nil {
			allowed = append(allowed, r.Fingerprint)
		}
	}
	return slices.DeleteFunc(out, func(r Recipient) bool { return slices.Contains(allowed, r.Fingerprint) })
}

// Listed reports whether Options.Recipients says who may read.
func (s *Store) Listed() bool { return len(s.pins) > 0 }

// vouched refuses to encrypt to a key that neither Options.Recipients nor the
// change allows: whoever can push a .gpg-id would else be given every later value.
func (s *Store) vouched(ctx context.Context, c Change, all []Recipient) error {
	strange, by := s.Unlisted(ctx, all), "the catalog's store.recipients does not list"
	if len(strange) == 0 && c.Readers != nil {
		strange, by = slices.DeleteFunc(slices.Clone(all), func(r Recipient) bool { return slices.Contains(c.Readers, r.Fingerprint) }), "it was not encrypted to so far"
	}
	if len(strange) == 0 {
		return nil
	}
	r := strange[0]
	return &Error{Kind: Recipients, Path: c.Path, Op: opKeys, Next: "pass git log -p -- " + shellQuote(gpgIDList(r.Folder)),
		Detail: gpgIDList(r.Folder) + " names the key of " + r.String() + ", which " + by + s.Added(ctx, r.Folder, r.ID).clause()}
}

// String names the key for a person.
func (r Recipient) String() string {
	if r.Name == "" {
		return r.Fingerprint
	}
	return r.Name + " (" + r.Fingerprint + ")"
}

// gpgIDList is the .gpg-id of a folder, as a path in the store.
func gpgIDList(folder string) string { return path.Join(folder, gpgIDName) }

// folderOf is where the .gpg-id lies that counts for an entry.
func (s *Store) folderOf(entry string) string {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return "."
	}
	defer root.Close()
	return gpgIDFolder(root, original(entry))
}

// Addition is the commit that put a key into a .gpg-id; the zero value where git
// does not tell.
type Addition struct {
	Commit, Author string
	Time           time.Time
}

// Added finds the newest commit that put id into a folder's .gpg-id.
func (s *Store) Added(ctx context.Context, folder, id string) Addition {
	repo, err := s.repository(ctx, opHistory)
	if err != nil || repo == nil || repo.head == "" || id == "" {
		return Addition{}
	}
	text, err := s.gitOut(ctx, opHistory, "log", "-1", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv",
		"--format=%H%x00%ct%x00%an <%ae>", "-S"+id, "--", gpgIDList(folder))
	f := strings.SplitN(strings.TrimSpace(text), "\x00", 3)
	if err != nil || len(f) < 3 {
		return Addition{}
	}
	seconds, _ := strconv.ParseInt(f[1], 10, 64)
	return Addition{Commit: f[0], Author: tail(f[2]), Time: time.Unix(seconds, 0).UTC()}
}

// String says which commit, when and by whom.
func (a Addition) String() string {
	if a.Commit == "" {
		return ""
	}
	return "commit " + a.Commit[:min(len(a.Commit), 12)] + " of " + a.Time.Format(time.DateOnly) + " by " + a.Author
}

func (a Addition) clause() string {
	if a.Commit == "" {
		return ""
	}
	return "; " + a.String() + " put it there"
}
