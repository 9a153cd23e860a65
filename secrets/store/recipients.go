package store

import (
	"context"
	"errors"
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
// entry (see CopyOf). It fails with Kind Recipients for a key that
// is missing or not unique or not pinned, with Expired for one that has expired.
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
		r, err := s.recipient(ctx, entry, id)
		if err != nil {
			return nil, err
		}
		r.Folder = gpgIDFolder(root, entry)
		all = append(all, r)
	}
	return all, s.pinned(entry, all)
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

// fingerprints normalises the pinned ones; a short id is no pin, anybody can
// make a key that shares it.
func fingerprints(pins []string) ([]string, error) {
	var all []string
	for _, pin := range pins {
		fpr := strings.ToUpper(strings.ReplaceAll(pin, " ", ""))
		if len(fpr) != 40 && len(fpr) != 64 || strings.Trim(fpr, "0123456789ABCDEF") != "" {
			return nil, &Error{Kind: Recipients, Op: "reading the pinned recipients", Detail: strconv.Quote(pin) + " is not a full fingerprint",
				Next: "gpg --list-keys --with-colons " + shellQuote(pin)}
		}
		all = append(all, fpr)
	}
	return all, nil
}

// pinned compares the keys with the pinned ones: the same set, both ways.
func (s *Store) pinned(entry string, all []Recipient) error {
	if len(s.pins) == 0 {
		return nil
	}
	var have []string
	for _, r := range all {
		have = append(have, r.Fingerprint)
		if !slices.Contains(s.pins, r.Fingerprint) {
			return &Error{Kind: Recipients, Path: entry, Op: opKeys, Next: "pass git log -p -- '*.gpg-id'",
				Detail: ".gpg-id names " + r.Fingerprint + ", which is not one of the pinned keys"}
		}
	}
	for _, pin := range s.pins {
		if !slices.Contains(have, pin) {
			return &Error{Kind: Recipients, Path: entry, Op: opKeys, Next: "pass git log -p -- '*.gpg-id'",
				Detail: ".gpg-id does not name the pinned key " + pin}
		}
	}
	return nil
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
		return no(Recipients, id+" in .gpg-id means several keys", "gpg --list-keys "+shellQuote(id))
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

// encrypt encrypts content to the entry's recipients, with pass's own options,
// and proves that it can be read again and, with pinned keys, by nobody else.
func (s *Store) encrypt(ctx context.Context, root *os.Root, entry string, content secrets.Value) ([]byte, error) {
	args, keys, err := s.recipientArgs(ctx, root, entry)
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
	for _, key := range back.keys {
		if keys != nil && !slices.Contains(keys, key) {
			return nil, &Error{Kind: Recipients, Path: entry, Op: opReadBack, Next: "cat ~/.gnupg/gpg.conf",
				Detail: "gpg also encrypted to the key " + key + ", which is not pinned"}
		}
	}
	return ciphertext, nil
}

// recipientArgs are gpg's options for the entry's recipients and, with pinned
// ones, the ids of the keys that may stand in the result.
func (s *Store) recipientArgs(ctx context.Context, root *os.Root, entry string) (args, keys []string, err error) {
	ids := s.pins
	if len(s.pins) > 0 {
		// A pinned fingerprint is worth more than the web of trust, and leaves
		// gpg no choice between keys of the same name.
		all, err := s.Recipients(ctx, entry)
		if err != nil {
			return nil, nil, err
		}
		args = append(args, "--trust-model", "always")
		for _, r := range all {
			keys = append(keys, r.keys...)
		}
	} else if ids, err = s.gpgIDs(ctx, root, original(entry)); err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		args = append(args, "--recipient", id)
	}
	return args, keys, nil
}

func (s *Store) encryptTo(ctx context.Context, entry string, content secrets.Value, args []string) ([]byte, error) {
	args = append([]string{"--compress-algo=none", "--no-encrypt-to"}, args...)
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
		return &Error{Kind: Recipients, Path: entry, Op: opWrite, Next: "gpg --lsign-key " + shellQuote(id),
			Detail: "gpg does not trust that the key " + id + " belongs to its owner"}
	}
	return &Error{Kind: Gpg, Path: entry, Op: opWrite, Detail: tail(out.stderr), Next: "gpg --list-keys"}
}
