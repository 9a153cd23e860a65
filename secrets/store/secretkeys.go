package store

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Access is how the secret part of a key can be used without a person.
type Access string

// The accesses.
const (
	// Free: it has no passphrase.
	Free Access = "free"
	// Cached: gpg's agent has its passphrase, for as long as it keeps it.
	Cached Access = "cached"
	// Asks: it needs its passphrase from a person.
	Asks Access = "asks"
	// Card: it is on a smart card.
	Card Access = "card"
)

// SecretKey is a key of this keyring that can decrypt entries.
type SecretKey struct {
	// ID is the decrypting (sub)key's, 16 hex digits; Primary is the fingerprint
	// of the key that it belongs to.
	ID, Primary string
	// Expires is when it can no longer be encrypted to (UTC); zero: never.
	Expires time.Time
	Access  Access
	// Others are the ids of the secret parts that are here too: the primary key,
	// which can make and revoke subkeys and certify, and those that sign.
	Others []string
	// HasPrimary: the primary key's secret part is among them.
	HasPrimary bool
}

// SecretKeys returns this keyring's secret keys that belong to the recipients of
// the entry and decrypt. Nobody is asked for a passphrase.
func (s *Store) SecretKeys(ctx context.Context, entry string) ([]SecretKey, error) {
	recipients, err := s.Recipients(ctx, entry)
	if err != nil {
		return nil, err
	}
	out, _, err := s.runGpg(ctx, nil, "--with-colons", "--list-secret-keys")
	if err != nil {
		return nil, s.ended(opKeys, entry, "gpg", "gpg --list-secret-keys", err)
	}
	var all []SecretKey
	for _, ring := range parseSecretKeys(string(out.stdout)) {
		if !slices.ContainsFunc(recipients, func(r Recipient) bool { return r.Fingerprint == ring.primary }) {
			continue
		}
		for _, k := range ring.keys {
			if !k.decrypts || k.missing {
				continue
			}
			one := SecretKey{ID: k.id, Primary: ring.primary, Expires: k.expires, Access: s.access(ctx, k)}
			for i, other := range ring.keys {
				if other.id != k.id && !other.missing && !other.decrypts {
					one.Others = append(one.Others, other.id)
				}
				one.HasPrimary = one.HasPrimary || i == 0 && !other.missing
			}
			all = append(all, one)
		}
	}
	return all, nil
}

func (s *Store) access(ctx context.Context, k secretPart) Access {
	switch {
	case k.card:
		return Card
	case s.keyInfo(ctx, k.grip, 7) == "C":
		return Free
	case s.keyInfo(ctx, k.grip, 6) == "1":
		return Cached
	}
	return Asks
}

// secretPart is a sec or ssb line of gpg's listing.
type secretPart struct {
	id, grip                string
	expires                 time.Time
	decrypts, missing, card bool
}

// secretRing is a primary key, the first of keys, and its subkeys.
type secretRing struct {
	primary string
	keys    []secretPart
}

// parseSecretKeys reads gpg's colon listing (doc/DETAILS of GnuPG): field 15 of
// sec and ssb is # without the secret part, a serial number for a card's.
func parseSecretKeys(text string) []secretRing {
	var all []secretRing
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		switch {
		case len(f) > 14 && (f[0] == "sec" || f[0] == "ssb"):
			if f[0] == "sec" {
				all = append(all, secretRing{})
			}
			if len(all) == 0 {
				continue
			}
			ring := &all[len(all)-1]
			ring.keys = append(ring.keys, secretPart{id: f[4], expires: unixTime(f[6]), decrypts: strings.Contains(f[11], "e"),
				missing: f[14] == "#", card: f[14] != "" && f[14] != "+" && f[14] != "#"})
		case len(f) > 9 && f[0] == "fpr" && len(all) > 0 && all[len(all)-1].primary == "":
			all[len(all)-1].primary = f[9]
		case len(f) > 9 && f[0] == "grp" && len(all) > 0:
			ring := &all[len(all)-1]
			ring.keys[len(ring.keys)-1].grip = f[9]
		}
	}
	return all
}

// MayPush asks the remote whether it would take a push, and sends nothing. Where
// the remote answers to a fetch and not to this, it is read-only for us.
func (s *Store) MayPush(ctx context.Context) (bool, error) {
	const op = "asking the remote"
	y, err := s.status(ctx)
	if err != nil || y.Remote == "" || y.Branch == "" {
		return false, err
	}
	if _, err := s.remoteGit(ctx, op, "ls-remote", "--quiet", "--", y.Remote, "HEAD"); err != nil {
		return false, err
	}
	// Of a name that is not there yet: a branch that is behind would be refused.
	_, err = s.remoteGit(ctx, op, "push", "--dry-run", "--no-verify", "--quiet", "--", y.Remote, "HEAD:refs/heads/secret-rotation-may-push")
	return err == nil, ctx.Err()
}
