package rotation

import (
	"context"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// Readers are the keys that a secret's entries are encrypted to, as .gpg-id says it
// now. Who can push to the store can push a key into it.
type Readers struct {
	// Keys are all of them, each once; Fingerprints are those by entry name.
	Keys         []store.Recipient
	Fingerprints map[string][]string
	// New are those that nobody is known to have agreed to.
	New []NewReader
}

// NewReader is a key that could read an entry's next value and could not read it so
// far: it is not in the catalog's store.recipients, or, where that names nobody, it
// was not among the keys of the secret's newest event, or, where that names none,
// the entry's file is not encrypted to it.
type NewReader struct {
	// Entry is the first entry that it could read.
	Entry string
	Key   store.Recipient
	Added store.Addition
}

// String says who could read what, and who put the key there.
func (n NewReader) String() string {
	text := n.Entry + " would be encrypted to the key of " + n.Key.String() + ", to which it was not so far"
	if added := n.Added.String(); added != "" {
		text += "; " + added + " put that key into " + n.List()
	}
	return text
}

// List is the .gpg-id that names the key, as a path in the store.
func (n NewReader) List() string { return strings.TrimPrefix(n.Key.Folder+"/.gpg-id", "./") }

// Look is the command that shows how the key got there. No command is printed that
// encrypts to it.
func (n NewReader) Look() string { return "pass git log -p -- " + n.List() }

// ReadersOf looks at who may read a secret's entries; last is its newest event.
func ReadersOf(ctx context.Context, pass *store.Store, s secrets.Secret, last journal.Event) (Readers, error) {
	out := Readers{Fingerprints: map[string][]string{}}
	for _, e := range s.Entries {
		keys, err := pass.Recipients(ctx, e.Path)
		if err != nil {
			return Readers{}, err
		}
		strange, err := strangers(ctx, pass, e, keys, last.Recipients[e.Name()])
		if err != nil {
			return Readers{}, err
		}
		for _, k := range keys {
			out.Fingerprints[e.Name()] = append(out.Fingerprints[e.Name()], k.Fingerprint)
			if !contains(out.Keys, k) {
				out.Keys = append(out.Keys, k)
			}
		}
		for _, k := range strange {
			if !slices.ContainsFunc(out.New, func(n NewReader) bool { return n.Key.Fingerprint == k.Fingerprint }) {
				out.New = append(out.New, NewReader{Entry: e.Path, Key: k, Added: pass.Added(ctx, k.Folder, k.ID)})
			}
		}
		slices.Sort(out.Fingerprints[e.Name()])
	}
	return out, nil
}

func contains(keys []store.Recipient, k store.Recipient) bool {
	return slices.ContainsFunc(keys, func(other store.Recipient) bool { return other.Fingerprint == k.Fingerprint })
}

// strangers are those of an entry's keys that nobody is known to have agreed to;
// before are the fingerprints that the journal knows.
func strangers(ctx context.Context, pass *store.Store, e secrets.Entry, keys []store.Recipient, before []string) ([]store.Recipient, error) {
	if pass.Listed() {
		return pass.Unlisted(ctx, keys), nil
	}
	if len(before) > 0 {
		return slices.DeleteFunc(slices.Clone(keys), func(k store.Recipient) bool { return slices.Contains(before, k.Fingerprint) }), nil
	}
	if !pass.Exists(e.Path) {
		return nil, nil
	}
	entry, err := pass.Read(ctx, e.Path)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(entry.Readers(), func(id string) bool { return strings.Trim(id, "0") == "" }) {
		return nil, nil // gpg was told not to name them
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k store.Recipient) bool { return k.Among(entry.Readers()) }), nil
}

// requireKnownReaders looks at who may read what these jobs write, and refuses a key
// that nobody has agreed to before anything is issued or written.
func requireKnownReaders(ctx context.Context, r *run, jobs []*job) error {
	for _, j := range jobs {
		readers, err := ReadersOf(ctx, r.Store, j.secret, j.log.Last())
		if err != nil {
			return err
		}
		if len(readers.New) > 0 {
			n := readers.New[0]
			return &Error{Reason: Failed, Secret: j.secret.Name, Step: "looking at who may read it in pass", Detail: n.String(),
				Next: []string{n.Look(), "if that key is not to read it, take the line out of " + n.List() + "; if it is, list every key under store.recipients in the catalog; then: " + resumeCommand(r, j).String()}}
		}
		j.readers = readers
	}
	return nil
}

// change is a new content of an entry, or of a copy of it, for the keys that were
// shown in the plan.
func (j *job) change(e secrets.Entry, path string, content secrets.Value) store.Change {
	return store.Change{Path: path, Content: content, Readers: j.readers.Fingerprints[e.Name()]}
}
