package secrets

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// hidden is what a Value prints as, on every path.
const hidden = "[secret]"

// Value is one secret. It formats, logs, compares in tests and encodes as
// "[secret]"; only Reveal gives the bytes. The bytes are held by a closure
// because fmt, spew and testify look through unexported struct fields and
// pointers but cannot look into a function. The zero Value is empty.
type Value struct{ reveal func() []byte }

// NewValue takes a copy of b as a secret.
func NewValue(b []byte) Value {
	own := make([]byte, len(b))
	copy(own, b)
	return Value{reveal: func() []byte { return own }}
}

// Reveal returns a copy of the bytes. The linter lists the few files that may
// call it: the edges where a secret leaves for its service, pass, Pulumi's
// encrypted config or a consumer.
func (v Value) Reveal() []byte {
	own := v.bytes()
	out := make([]byte, len(own))
	copy(out, own)
	return out
}

func (v Value) bytes() []byte {
	if v.reveal == nil {
		return nil
	}
	return v.reveal()
}

// IsZero reports whether the value is empty.
func (v Value) IsZero() bool { return len(v.bytes()) == 0 }

// Len is the length in bytes.
func (v Value) Len() int { return len(v.bytes()) }

// Equal compares in constant time (for equal lengths).
func (v Value) Equal(w Value) bool {
	return subtle.ConstantTimeCompare(v.bytes(), w.bytes()) == 1
}

// HasPrefix reports whether the value begins with the text, which must tell
// nothing about a secret: a form that all values of a kind have, or none may.
func (v Value) HasPrefix(text string) bool { return bytes.HasPrefix(v.bytes(), []byte(text)) }

// Format implements fmt.Formatter: every verb prints "[secret]".
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String implements fmt.Stringer for callers that bypass Format.
func (v Value) String() string { return hidden }

// GoString implements fmt.GoStringer.
func (v Value) GoString() string { return hidden }

// LogValue implements slog.LogValuer.
func (v Value) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler, and so covers JSON, YAML and
// map keys.
func (v Value) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Fingerprint is a keyed hash of a value: HMAC-SHA256 in lower-case hex, 64
// digits. The key lives in pass (FingerprintKeyPath), so a fingerprint tells
// nothing about a short value to somebody without the store.
type Fingerprint string

// FingerprintKeyPath is the pass entry that holds the fingerprint key.
const FingerprintKeyPath = "rotation/fingerprint-key"

// Fingerprint returns the value's fingerprint under key.
func (v Value) Fingerprint(key Value) Fingerprint {
	mac := hmac.New(sha256.New, key.bytes())
	mac.Write(v.bytes())
	return Fingerprint(hex.EncodeToString(mac.Sum(nil)))
}

// Short is the form shown to people: the first 8 hex digits.
func (f Fingerprint) Short() string {
	if len(f) < 8 {
		return string(f)
	}
	return string(f[:8])
}
