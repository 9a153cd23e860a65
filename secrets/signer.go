package secrets

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// The labels under which keys are derived from the fingerprint key: none of them
// is the key that fingerprints are made with, so that a fingerprint is never a
// signature, whatever value it is of.
const (
	labelKeyID   = "secret-rotation key id"
	labelSigning = "secret-rotation journal signature"
)

// Signer signs the records of the journal with a key that is derived from the
// fingerprint key: who can write to the state backend but not read pass can
// forge none. The zero Signer has no key.
type Signer struct {
	id  string
	key Value
}

// NewSigner derives the signing key; an empty fingerprint key gives the zero
// Signer.
func NewSigner(fingerprintKey Value) (Signer, error) {
	if fingerprintKey.IsZero() {
		return Signer{}, nil
	}
	id, err := fingerprintKey.derive(labelKeyID, 8)
	if err != nil {
		return Signer{}, err
	}
	key, err := fingerprintKey.derive(labelSigning, sha256.Size)
	return Signer{id: hex.EncodeToString(id), key: NewValue(key)}, err
}

// KeyID names the fingerprint key without telling anything about it: 16 hex
// digits; empty for the zero Signer.
func (s Signer) KeyID() string { return s.id }

// MAC is the signature of data: HMAC-SHA256, 64 hex digits.
func (s Signer) MAC(data []byte) string { return hex.EncodeToString(s.mac(data)) }

// Verify reports whether mac is the signature of data. The zero Signer verifies
// nothing.
func (s Signer) Verify(data []byte, mac string) bool {
	given, err := hex.DecodeString(mac)
	return err == nil && !s.key.IsZero() && hmac.Equal(given, s.mac(data))
}

func (s Signer) mac(data []byte) []byte {
	h := hmac.New(sha256.New, s.key.bytes())
	h.Write(data)
	return h.Sum(nil)
}

// derive gives n bytes that belong to the value and to a label, by HKDF.
func (v Value) derive(label string, n int) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, v.bytes(), nil, label, n)
	if err != nil {
		return nil, fmt.Errorf("deriving a key (%s): %w", label, err)
	}
	return key, nil
}
