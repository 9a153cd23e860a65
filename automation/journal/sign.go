package journal

import (
	"bytes"
	"context"
	"fmt"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Keys gives the fingerprint key; its zero value where pass holds none yet. It
// is called whenever something is to be signed or verified, so it remembers.
type Keys func(ctx context.Context) (secrets.Value, error)

// SignedBy has everything that is written signed and everything that is read
// verified, and returns j. A journal without keys reads without verifying, and
// writes to no log that is signed.
func (j *Journal) SignedBy(keys Keys) *Journal {
	j.keys = keys
	return j
}

// Trust is what is known of who wrote an event.
type Trust string

// The kinds of trust; the empty one is of a journal that was opened without keys.
const (
	// Signed: whoever wrote it could read the fingerprint key in pass.
	Signed Trust = "signed"
	// Unsigned: it was written before events were signed, and its log has no
	// signed event before it.
	Unsigned Trust = "unsigned"
	// Replaced: it comes before a repair, which has accepted it as it stands.
	Replaced Trust = "replaced"
)

// KeyError: pass's fingerprint key is not the one that a log is signed with.
// Nothing in that log can be verified, and no value recognised by it.
type KeyError struct {
	// Name is the secret's, or what is signed beside the logs.
	Name string
	// Wanted is the id of the key that signed it, empty for events of before they
	// were signed; Has that of pass's, empty where pass holds none.
	Wanted, Has string
}

// Error names both keys.
func (e *KeyError) Error() string {
	if e.Wanted == "" {
		return fmt.Sprintf("the values in the journal of %s are known under a fingerprint key that pass does not hold any more (%s)", e.Name, secrets.FingerprintKeyPath)
	}
	if e.Has == "" {
		return fmt.Sprintf("the journal of %s is signed with the fingerprint key %s, and pass does not hold it any more (%s)", e.Name, e.Wanted, secrets.FingerprintKeyPath)
	}
	return fmt.Sprintf("the journal of %s is signed with the fingerprint key %s, and pass holds another one (%s): %s", e.Name, e.Wanted, e.Has, secrets.FingerprintKeyPath)
}

// signer is of the key that pass holds now.
func (j *Journal) signer(ctx context.Context) (secrets.Signer, error) {
	key, err := j.keys(ctx)
	if err != nil {
		return secrets.Signer{}, fmt.Errorf("reading the key of the journal's signatures: %w", err)
	}
	return secrets.NewSigner(key)
}

// A signed object ends with its signature, which is over all the bytes that
// there are without it. So it holds for every field, also for one that only a
// newer program knows, and for how each is written.
const (
	objectEnd = "\n}\n"
	macBegin  = ",\n  \"mac\": \""
	macEnd    = "\"" + objectEnd
)

// seal adds the signature to an encoded object.
func seal(s secrets.Signer, data []byte) []byte {
	return fmt.Appendf(bytes.TrimSuffix(data, []byte(objectEnd)), "%s%s%s", macBegin, s.MAC(data), macEnd)
}

// unseal gives the signed bytes of an object whose signature is mac; nil if it
// does not end with it.
func unseal(data []byte, mac string) []byte {
	rest, ok := bytes.CutSuffix(data, []byte(macBegin+mac+macEnd))
	if !ok {
		return nil
	}
	return append(bytes.Clone(rest), objectEnd...)
}

// verify says how far an object is to be trusted that gives keyID and mac.
func (j *Journal) verify(ctx context.Context, name, key string, data []byte, keyID, mac string) (Trust, error) {
	switch {
	case j.keys == nil:
		return "", nil
	case keyID == "" && mac == "":
		return Unsigned, nil
	}
	s, err := j.signer(ctx)
	if err != nil {
		return "", err
	}
	if s.KeyID() != keyID && keyID != "" {
		return "", &KeyError{Name: name, Wanted: keyID, Has: s.KeyID()}
	}
	if signed := unseal(data, mac); keyID == "" || signed == nil || !s.Verify(signed, mac) {
		return "", &DamagedError{name, key, "its signature is not of what it says"}
	}
	return Signed, nil
}

// sign encodes an object under the key that pass holds; without keys, or where
// encode gives no signed form, it is left as it is.
func (j *Journal) sign(ctx context.Context, name string, encode func(keyID string) ([]byte, error)) ([]byte, error) {
	if j.keys == nil {
		return encode("")
	}
	s, err := j.signer(ctx)
	if err != nil {
		return nil, err
	}
	if s.KeyID() == "" {
		return nil, &KeyError{Name: name}
	}
	data, err := encode(s.KeyID())
	if err != nil {
		return nil, err
	}
	return seal(s, data), nil
}
