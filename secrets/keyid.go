package secrets

import "strings"

// IsKeyID reports whether text names an OpenPGP key closely enough to vouch for it:
// a full fingerprint, a long key id (16 hex digits) or a user id with an address. A
// short id does not: anybody can make a key that shares it.
func IsKeyID(text string) bool {
	if hex, ok := KeyDigits(text); ok {
		return len(hex) == 16 || len(hex) == 40 || len(hex) == 64
	}
	return strings.Contains(text, "@") && !strings.HasPrefix(text, "-")
}

// KeyDigits is a fingerprint or key id without blanks and 0x, in upper case; ok is
// false where text is none.
func KeyDigits(text string) (hex string, ok bool) {
	hex = strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(text, "0x"), " ", ""))
	return hex, hex != "" && strings.Trim(hex, "0123456789ABCDEF") == ""
}
