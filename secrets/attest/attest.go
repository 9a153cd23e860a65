// Package attest lets a consumer prove which credential it runs with, to
// somebody who knows that credential, and to nobody else.
//
// # Protocol
//
// K is derived from all values of the credential, in the order of its catalog
// entries (see Key). The asker sends
//
//	GET URL?name=NAME&nonce=NONCE&time=TIME
//	Attest-Mac: hex(HMAC-SHA256(K, "req" 0 NAME 0 NONCE 0 TIME))
//
// with a nonce of 16 random bytes in lower-case hex and the time in unix
// seconds. A consumer that runs with those very values answers
//
//	200 {"name":NAME,"nonce":NONCE,"mac":hex(HMAC-SHA256(K, "resp" 0 NAME 0 NONCE))}
//
// and every other request gets one and the same 404.
//
// # Why this is safe on a public address
//
// A stranger learns nothing. The consumer speaks only to a request that
// already carries a MAC under K, so there is no answer to collect and try
// candidate values against offline; and as K covers the whole credential, a
// short part of it (a numeric user id) cannot be tried by itself either: each
// try is one online request against the strength of the longest part. Wrong
// MAC, unknown name, stale time, used nonce and malformed request are not told
// apart by status or body.
//
// A request that was recorded is worthless: its nonce is refused for as long
// as its time is accepted (MaxAge), and only requests with a right MAC enter
// the replay cache, so strangers cannot fill it. The clock may be off by
// MaxAge in either direction. (The module for Workers has no memory: there a
// repetition gets the answer that was recorded with it.)
//
// docs/decisions/0002-attest.md argues what asking, listening and an old value
// are good for.
//
// An answer cannot be made up or reflected: "req" and "resp" keep the two
// directions apart, the nonce is the asker's own, and the name is covered, so
// one consumer's answer for one credential is none for another. Length
// prefixes in the derivation keep ("ab","c") and ("a","bc") apart, the count
// keeps half a pair from passing for a whole credential, and the order keeps a
// swapped pair from passing for the right one.
//
// No further key is needed, and the credential itself never travels.
package attest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const (
	// Header carries the request's MAC.
	Header = "Attest-Mac"
	// Path is where a consumer mounts the handler.
	Path = "/.well-known/attest"
	// MaxAge is how far a request's time may be from the consumer's clock.
	MaxAge = 5 * time.Minute

	domain      = "secret-rotation/attest/v1"
	nonceLength = 32 // hex digits
	maxName     = 64
)

// K is the key that a whole credential derives to. Like a Value it does not
// print: with K, candidate values can be tried offline.
type K struct{ key secrets.Value }

// Key derives K from all values of a credential, in the order of its catalog
// entries: HMAC-SHA256 under the domain's name over the number of values and
// each value with its length, as 8-byte big-endian integers.
func Key(values ...secrets.Value) K {
	mac := hmac.New(sha256.New, []byte(domain))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(values))))
	for _, v := range values {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(v.Len())))
		mac.Write(v.Reveal())
	}
	return K{key: secrets.NewValue(mac.Sum(nil))}
}

// Format implements fmt.Formatter: every verb prints as a Value does.
func (k K) Format(f fmt.State, verb rune) { k.key.Format(f, verb) }

func (k K) sum(parts ...string) string {
	mac := hmac.New(sha256.New, k.key.Reveal())
	for i, p := range parts {
		if i > 0 {
			mac.Write([]byte{0})
		}
		_, _ = io.WriteString(mac, p)
	}
	return hex.EncodeToString(mac.Sum(nil))
}

func (k K) request(name, nonce, unix string) string { return k.sum("req", name, nonce, unix) }

func (k K) response(name, nonce string) string { return k.sum("resp", name, nonce) }

func sameMAC(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// answer is the body of a 200.
type answer struct {
	Name  string `json:"name"`
	Nonce string `json:"nonce"`
	MAC   string `json:"mac"`
}

// validName keeps NUL, the separator, out of what is signed.
func validName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}

// validHex accepts lower case only, so that one nonce has one spelling.
func validHex(s string, length int) bool {
	if len(s) != length {
		return false
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}

// parseTime accepts only the canonical decimal form.
func parseTime(s string) (time.Time, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return time.Time{}, false
	}
	return time.Unix(n, 0), true
}
