package services

import (
	"bytes"
	"crypto/rand"
	"math/big"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Wrong returns a copy of the credential in which the entry named which has a
// wrong value of the same shape: the negative control of a check, which must
// come back Dead. The wrong value is random where the right one is secret: it
// goes to the service, and perhaps into its logs, and must tell nothing about
// the right one. A name that the credential does not have changes nothing, so
// that the control fails.
func Wrong(cred Credential, which string) Credential {
	out := make(Credential, len(cred))
	for name, value := range cred {
		out[name] = value
	}
	if right, ok := cred[which]; ok {
		out[which] = wrongValue(right)
	}
	return out
}

func wrongValue(right secrets.Value) secrets.Value {
	old := right.Reveal()
	start := publicPrefix(string(old))
	if !bytes.ContainsFunc(old[start:], func(r rune) bool { return r < 0x80 && alphabet(byte(r)) != "" }) {
		return secrets.NewValue(append(old, '0'))
	}
	for {
		fresh := bytes.Clone(old)
		for i := start; i < len(fresh); i++ {
			if set := alphabet(fresh[i]); set != "" {
				fresh[i] = set[random(len(set))]
			}
		}
		if !bytes.Equal(fresh, old) {
			return secrets.NewValue(fresh)
		}
	}
}

// publicPrefix is the length of the part that says the value's kind and that a
// service would refuse to be without.
func publicPrefix(value string) int {
	for _, prefix := range []string{
		"sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "cfut_", "cfat_", "cfk_", "SCW",
	} {
		if strings.HasPrefix(value, prefix) {
			return len(prefix)
		}
	}
	return 0
}

// alphabet is the set that a character may be exchanged within: hexadecimal
// digits stay such, so that a UUID remains one.
func alphabet(c byte) string {
	for _, set := range []string{"0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ"} {
		if strings.IndexByte(set, c) >= 0 {
			return set
		}
	}
	return ""
}

func random(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		// crypto/rand.Reader does not fail (it ends the program instead).
		return 0
	}
	return int(i.Int64())
}
