package world

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

const (
	digits     = "0123456789"
	upperDigit = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + digits
	alnum      = "abcdefghijklmnopqrstuvwxyz" + upperDigit
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	// crypto/rand.Read never fails: it stops the program instead.
	_, _ = rand.Read(b)
	return b
}

// randomHex gives n lower-case hex digits; n is even.
func randomHex(n int) string { return hex.EncodeToString(randomBytes(n / 2)) }

// randomFrom gives n characters of the alphabet, each equally likely.
func randomFrom(alphabet string, n int) string {
	limit := 256 - 256%len(alphabet)
	out := make([]byte, 0, n)
	for len(out) < n {
		for _, b := range randomBytes(n) {
			if int(b) < limit && len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}

// NewUUID is a random (version 4) UUID.
func NewUUID() string {
	b := randomBytes(16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// The shapes of the services' credentials (knowledge: formats as the services
// give them out; Cloudflare's last 8 hex digits are a checksum whose algorithm
// is not public).
func cloudflareToken(kind string) string {
	prefix := "cfut_"
	if kind == KindAccount {
		prefix = "cfat_"
	}
	return prefix + randomFrom(alnum, 40) + randomHex(8)
}

func scalewayAccessKey() string { return "SCW" + randomFrom(upperDigit, 17) }

func stripeKey(prefix string) string { return prefix + "51" + randomFrom(alnum, 97) }

func webhookSecret() string { return "whsec_" + randomFrom(alnum, 32) }

func clerkKey(mode string) string { return "sk_" + mode + "_" + randomFrom(alnum, 42) }

func sightengineUser() string { return randomFrom(digits[1:], 1) + randomFrom(digits, 9) }
