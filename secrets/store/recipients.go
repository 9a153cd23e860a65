package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const (
	opKeys     = "choosing the keys for"
	opReadBack = "reading back"
)

// Recipient is a key that entries are encrypted to.
type Recipient struct {
	// ID is what .gpg-id says.
	ID string
	// Name is the key's user id, such as Ada <ada@example.com>, as its owner wrote it.
	Name string
	// Fingerprint is the primary key's, 40 hex digits (or 64), upper case.
	Fingerprint string
	// Expires is when the key can no longer be encrypted to (UTC); zero: never.
	Expires time.Time
	// Folder is where the .gpg-id lies that names it; "." is the store's own.
	Folder string

	usable bool
	keys   []string    // ids of the keys that can be encrypted to
	until  []time.Time // when each of them expires
}

// Recipients returns the keys that the entry is or would be encrypted to: those
// of the nearest .gpg-id upward, for a rotation's copy of an entry upward from the
// entry (see CopyOf). A group of gpg.conf stands for its keys. It fails with Kind
// Recipients for a key that is missing or not unique, with Expired for one that has
// expired; whether a key may be there is Unlisted's business.
func (s *Store) Recipients(ctx context.Context, entry string) ([]Recipient, error) {
	if err := CheckName(entry); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, fileError(opKeys, entry, err)
	}
	defer root.Close()
	entry = original(entry)
	ids, err := s.gpgIDs(ctx, root, entry)
	if err != nil {
		return nil, err
	}
	var all []Recipient
	for _, id := range ids {
		found, err := s.recipientsOf(ctx, entry, id)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			r.Folder = gpgIDFolder(root, entry)
			all = append(all, r)
		}
	}
	return all, nil
}

// recipientsOf finds the key that a line of .gpg-id means, or those of a group.
func (s *Store) recipientsOf(ctx context.Context, entry, id string) ([]Recipient, error) {
	one, err := s.recipient(ctx, entry, id)
	if err == nil {
		return []Recipient{one}, nil
	}
	out, _, listErr := s.runGpg(ctx, nil, "--with-colons", "--list-config", "group")
	if listErr != nil {
		return nil, s.ended(opKeys, entry, "gpg", "", listErr)
	}
	for line := range strings.Lines(string(out.stdout)) {
		f := strings.Split(strings.TrimSpace(line), ":") // cfg:group:NAME:ID;ID
		if len(f) < 4 || f[1] != "group" || f[2] != id {
			continue
		}
		var all []Recipient
		for member := range strings.SplitSeq(f[3], ";") {
			r, err := s.recipient(ctx, entry, member)
			if err != nil {
				return nil, err
			}
			r.ID = id
			all = append(all, r)
		}
		return all, nil
	}
	return nil, err
}

// Among reports whether one of these key ids is a key of the recipient's.
func (r Recipient) Among(ids []string) bool {
	return slices.ContainsFunc(r.keys, func(key string) bool { return slices.Contains(ids, key) })
}

// Strangers are those of these key ids that are no key of any of the recipients.
func Strangers(all []Recipient, ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return slices.ContainsFunc(all, func(r Recipient) bool { return slices.Contains(r.keys, id) })
	})
}

// gpgIDFolder is the nearest folder upward from the entry that has a .gpg-id.
func gpgIDFolder(root *os.Root, entry string) string {
	dir := path.Dir(entry)
	for dir != "." {
		if info, err := root.Stat(path.Join(dir, gpgIDName)); err == nil && info.Mode().IsRegular() {
			break
		}
		dir = path.Dir(dir)
	}
	return dir
}

// gpgIDs returns what the nearest .gpg-id names, read as pass reads it; a last
// line without a newline counts too (pass overlooks it).
func (s *Store) gpgIDs(ctx context.Context, root *os.Root, entry string) ([]string, error) {
	if len(s.keys) > 0 {
		return s.keys, nil
	}
	file := path.Join(gpgIDFolder(root, entry), gpgIDName)
	text, err := readFile(root, file)
	if errors.Is(err, fs.ErrPermission) {
		return nil, &Error{Kind: Denied, Path: entry, Op: opKeys, Err: err, Detail: "this user may not read " + file, Next: "ls -l " + s.shellPath(file)}
	}
	if err != nil {
		return nil, &Error{Kind: NotAStore, Path: entry, Op: opKeys, Err: err,
			Detail: "no .gpg-id in its folder or above", Next: "pass init GPG-ID"}
	}
	if err := s.verifySignature(ctx, root, entry, file, text); err != nil {
		return nil, err
	}
	ids := parseGpgID(string(text))
	if len(ids) == 0 {
		return nil, &Error{Kind: Recipients, Path: entry, Op: opKeys, Detail: file + " names no key", Next: "pass init GPG-ID"}
	}
	for _, id := range ids {
		if strings.HasPrefix(id, "-") {
			return nil, &Error{Kind: Recipients, Path: entry, Op: opKeys, Detail: file + " holds a line that begins with a dash",
				Next: "cat " + s.shellPath(file)}
		}
	}
	return ids, nil
}

// parseGpgID gives one key per line; what follows # is a comment.
func parseGpgID(text string) []string {
	var ids []string
	for line := range strings.Lines(text) {
		id, _, _ := strings.Cut(line, "#")
		if id = strings.TrimSpace(id); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// verifySignature is pass's verify_file: with PASSWORD_STORE_SIGNING_KEY set,
// .gpg-id must carry a detached signature by one of these keys.
func (s *Store) verifySignature(ctx context.Context, root *os.Root, entry, file string, text []byte) error {
	if len(s.signers) == 0 {
		return nil
	}
	no := func(why string) error {
		return &Error{Kind: Recipients, Path: entry, Op: opKeys, Detail: why,
			Next: "gpg --verify " + s.shellPath(file+".sig") + " " + s.shellPath(file)}
	}
	if _, err := root.Stat(file + ".sig"); err != nil {
		return no("PASSWORD_STORE_SIGNING_KEY is set and " + file + " has no signature")
	}
	_, st, err := s.runGpg(ctx, text, "--verify", s.dir+"/"+file+".sig", "-")
	if err != nil {
		return s.ended(opKeys, entry, "gpg", "", err)
	}
	for _, line := range st["VALIDSIG"] {
		for _, signer := range s.signers {
			if len(signer) == 40 && len(line) > 0 && (line[0] == signer || line[len(line)-1] == signer) {
				return nil
			}
		}
	}
	return no("the signature of " + file + " is not by a key of PASSWORD_STORE_SIGNING_KEY")
}

// recipient finds the one key that id means.
func (s *Store) recipient(ctx context.Context, entry, id string) (Recipient, error) {
	out, _, err := s.runGpg(ctx, nil, "--with-colons", "--list-keys", "--", id)
	if err != nil {
		return Recipient{}, s.ended(opKeys, entry, "gpg", "", err)
	}
	found := parseKeys(string(out.stdout))
	usable := slices.DeleteFunc(slices.Clone(found), func(r Recipient) bool { return !r.usable })
	no := func(kind Kind, why, next string) (Recipient, error) {
		return Recipient{}, &Error{Kind: kind, Path: entry, Op: opKeys, Detail: why, Next: next}
	}
	switch {
	case len(usable) == 1:
		usable[0].ID = id
		return usable[0], nil
	case len(usable) > 1:
		return no(Recipients, id+" in .gpg-id means several keys: the full fingerprint means one", "gpg --list-keys "+shellQuote(id))
	case len(found) > 0 && !found[0].Expires.IsZero():
		fpr := found[0].Fingerprint
		return no(Expired, "the key "+fpr+" expired on "+found[0].Expires.Format(time.DateOnly)+"; what it encrypted can still be read",
			"gpg --quick-set-expire "+fpr+" 1y && gpg --quick-set-expire "+fpr+" 1y '*'")
	case len(found) > 0:
		return no(Recipients, "the key "+found[0].Fingerprint+" cannot encrypt (revoked, disabled or made for signing)",
			"gpg --list-keys "+shellQuote(id))
	}
	return no(Recipients, "the public key of "+id+" is not in this keyring", "gpg --import KEYFILE")
}

// parseKeys reads gpg's colon listing (doc/DETAILS of GnuPG).
func parseKeys(text string) []Recipient {
	var all []Recipient
	wantFingerprint := false
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		switch {
		case len(f) > 11 && f[0] == "pub":
			all = append(all, Recipient{Expires: unixTime(f[6]), usable: strings.Contains(f[11], "E") && !strings.Contains(f[11], "D")})
			wantFingerprint = true
		case len(f) > 9 && f[0] == "fpr" && wantFingerprint:
			all[len(all)-1].Fingerprint = f[9]
			wantFingerprint = false
		case len(f) > 9 && f[0] == "uid" && len(all) > 0 && all[len(all)-1].Name == "":
			all[len(all)-1].Name = tail(strings.ReplaceAll(f[9], `\x3a`, ":"))
		}
		if canEncrypt(f) && len(all) > 0 {
			r := &all[len(all)-1]
			r.keys, r.until = append(r.keys, f[4]), append(r.until, unixTime(f[6]))
		}
	}
	for i := range all {
		all[i].Expires = earlier(all[i].Expires, latest(all[i].until))
	}
	return all
}

func canEncrypt(f []string) bool {
	return len(f) > 11 && (f[0] == "pub" || f[0] == "sub") && strings.Contains(f[11], "e") && !strings.ContainsAny(f[1], "ir")
}

// latest: the key that lives longest decides; the zero time means for ever.
func latest(times []time.Time) time.Time {
	var last time.Time
	for _, t := range times {
		if t.IsZero() {
			return t
		}
		if t.After(last) {
			last = t
		}
	}
	return last
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func unixTime(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// encrypt encrypts a change's content to the entry's recipients, with pass's own
// options, and proves that it can be read again, and by nobody else.
func (s *Store) encrypt(ctx context.Context, root *os.Root, c Change) ([]byte, error) {
	entry, content := c.Path, c.Content
	all, err := s.Recipients(ctx, entry)
	if err != nil {
		return nil, err
	}
	if err := s.vouched(ctx, c, all); err != nil {
		return nil, err
	}
	args, err := s.recipientArgs(ctx, root, entry, all)
	if err != nil {
		return nil, err
	}
	ciphertext, err := s.encryptTo(ctx, entry, content, args)
	if err != nil {
		return nil, err
	}
	back, err := s.decrypt(ctx, opReadBack, entry, ciphertext)
	if err != nil {
		err.(*Error).Next = "gpg --list-secret-keys" // there is no file yet to try by hand
		return nil, err
	}
	if !back.content.Equal(content) {
		return nil, &Error{Kind: Damaged, Path: entry, Op: opReadBack, Detail: "gpg gave back something else than was written"}
	}
	others := slices.DeleteFunc(Strangers(all, back.keys), hidden)
	if len(others) > 0 || len(back.keys) > len(all) {
		return nil, &Error{Kind: Recipients, Path: entry, Op: opReadBack, Next: "cat ~/.gnupg/gpg.conf",
			Detail: "gpg also encrypted to a key that .gpg-id does not name " + strings.Join(others, ", ")}
	}
	return ciphertext, nil
}

// hidden: a recipient whom gpg was told not to name.
func hidden(id string) bool { return strings.Trim(id, "0") == "" }

// recipientArgs are gpg's options for the entry's recipients.
func (s *Store) recipientArgs(ctx context.Context, root *os.Root, entry string, all []Recipient) ([]string, error) {
	var args []string
	if len(s.pins) > 0 && !slices.ContainsFunc(all, func(r Recipient) bool { return !slices.Contains(s.pins, r.Fingerprint) }) {
		// A listed fingerprint is worth more than the web of trust, and leaves gpg
		// no choice between keys of the same name.
		args = append(args, "--trust-model", "always")
		for _, r := range all {
			args = append(args, "--recipient", r.Fingerprint)
		}
		return args, nil
	}
	ids, err := s.gpgIDs(ctx, root, original(entry))
	for _, id := range ids {
		args = append(args, "--recipient", id)
	}
	return args, err
}

func (s *Store) encryptTo(ctx context.Context, entry string, content secrets.Value, args []string) ([]byte, error) {
	// The seed file would be written by the rehearsal of a plan, which changes
	// nothing; the kernel's randomness needs none.
	args = append([]string{"--compress-algo=none", "--no-encrypt-to", "--no-random-seed-file"}, args...)
	plain := content.Reveal()
	defer clear(plain)
	out, st, err := s.runGpg(ctx, plain, append(args, "--encrypt")...)
	if err != nil {
		return nil, s.ended(opWrite, entry, "gpg", "gpg --list-keys", err)
	}
	if out.code == 0 && st.has("END_ENCRYPTION") && !st.has("INV_RECP") {
		return out.stdout, nil
	}
	return nil, s.notEncrypted(ctx, entry, out, st)
}

// notEncrypted asks the keyring about the recipient that gpg refused.
func (s *Store) notEncrypted(ctx context.Context, entry string, out outcome, st statusLines) error {
	if out.diskFull() {
		return &Error{Kind: Disk, Path: entry, Op: opWrite, Detail: "gpg: " + tail(out.stderr), Next: "df -h"}
	}
	for _, refused := range st["INV_RECP"] {
		if len(refused) < 2 {
			continue
		}
		id := strings.Join(refused[1:], " ")
		if _, err := s.recipient(ctx, entry, id); err != nil && !errors.Is(err, Gpg) {
			return err
		}
		// Never the command that signs the key: who could push to the store may have
		// put it there.
		list := gpgIDList(s.folderOf(entry))
		return &Error{Kind: Recipients, Path: entry, Op: opWrite, Next: "pass git log -p -- " + shellQuote(list),
			Detail: "gpg does not trust that the key " + id + " belongs to its owner" + s.Added(ctx, s.folderOf(entry), id).clause()}
	}
	return &Error{Kind: Gpg, Path: entry, Op: opWrite, Detail: tail(out.stderr), Next: "gpg --list-keys"}
}
