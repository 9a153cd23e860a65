package scaleway

import (
	"crypto/subtle"
	"errors"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// ErrHash is a text that is not an argon2id hash which this program computes:
// another form, or a cost beyond the bounds.
var ErrHash = errors.New("it is not an argon2id hash of a cost that is computed here")

// The bounds of a hash's cost. Scaleway's own cost 64 MiB and 3 passes; without
// bounds the other side could have us allocate all memory or compute for hours.
const (
	maxHashText   = 512
	maxHashMemory = 256 << 10 // KiB
	maxHashPasses = 16
	minHashSalt   = 8
	minHashKey    = 16
	maxHashKey    = 128
)

// MatchesHash reports whether hash is that of the value, in constant time. It
// takes about a tenth of a second and as much memory as the hash says. The
// error is ErrHash.
func MatchesHash(v secrets.Value, hash string) (bool, error) {
	if len(hash) > maxHashText {
		return false, ErrHash
	}
	// Its errors quote the hash.
	params, salt, key, err := argon2id.DecodeHash(hash)
	if err != nil || !bounded(params) {
		return false, ErrHash
	}
	own := argon2.IDKey(v.Reveal(), salt, params.Iterations, params.Memory, params.Parallelism, params.KeyLength)
	return subtle.ConstantTimeCompare(own, key) == 1, nil
}

// bounded also keeps out what makes argon2 panic: no pass, no thread.
func bounded(p *argon2id.Params) bool {
	return p.Memory <= maxHashMemory && p.Iterations >= 1 && p.Iterations <= maxHashPasses && p.Parallelism >= 1 &&
		p.SaltLength >= minHashSalt && p.KeyLength >= minHashKey && p.KeyLength <= maxHashKey
}
