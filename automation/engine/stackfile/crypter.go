package stackfile

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

var (
	// ErrPassphrase says that the passphrase does not open the stack.
	ErrPassphrase = errors.New("the passphrase does not open this stack")
	// ErrEmptyPassphrase refuses what a variable that failed to resolve gives:
	// Pulumi would encrypt with it.
	ErrEmptyPassphrase = errors.New("the passphrase is empty")
)

// known is what every salt line encrypts, so that a passphrase can be checked.
const known = "pulumi"

// Crypter encrypts and decrypts a stack's config secrets. Making one costs a
// tenth of a second.
type Crypter struct{ crypter config.Crypter }

// Phrase is the passphrase as the CLI uses it: it reads a file and trims it.
func Phrase(v secrets.Value) (secrets.Value, error) {
	trimmed := bytes.TrimSpace(v.Reveal())
	if len(trimmed) == 0 {
		return secrets.Value{}, ErrEmptyPassphrase
	}
	return secrets.NewValue(trimmed), nil
}

// opened are the crypters of this process, and the refusals, by the hash of
// passphrase and salt line. Who asks for one that is being made waits for it.
var opened sync.Map

// Open returns the crypter of a salt line "v1:SALT:VERIFIER", or ErrPassphrase.
// Each is made once.
func Open(phrase secrets.Value, salt string) (Crypter, error) {
	phrase, err := Phrase(phrase)
	if err != nil {
		return Crypter{}, err
	}
	key := sha256.Sum256(append(phrase.Reveal(), "\x00"+salt...))
	made, _ := opened.LoadOrStore(key, sync.OnceValues(func() (Crypter, error) { return derive(phrase, salt) }))
	return made.(func() (Crypter, error))()
}

func derive(phrase secrets.Value, salt string) (Crypter, error) {
	parts := strings.SplitN(salt, ":", 3)
	if len(parts) != 3 || parts[0] != "v1" {
		return Crypter{}, fmt.Errorf("reading encryptionsalt: unknown form: %w", ErrFormat)
	}
	raw, err := base64.StdEncoding.DecodeString(parts[1])
	if err != nil {
		return Crypter{}, fmt.Errorf("reading encryptionsalt: the salt is not base64: %w", ErrFormat)
	}
	c := config.NewSymmetricCrypterFromPassphrase(string(phrase.Reveal()), raw)
	got, err := c.DecryptValue(context.Background(), parts[2])
	if err != nil || got != known {
		return Crypter{}, ErrPassphrase
	}
	return Crypter{c}, nil
}

// NewSalt makes the salt line of a new stack and its crypter.
func NewSalt(ctx context.Context, phrase secrets.Value) (string, Crypter, error) {
	phrase, err := Phrase(phrase)
	if err != nil {
		return "", Crypter{}, err
	}
	salt := make([]byte, 8)
	if _, err := rand.Read(salt); err != nil {
		return "", Crypter{}, fmt.Errorf("making a salt: %w", err)
	}
	c := config.NewSymmetricCrypterFromPassphrase(string(phrase.Reveal()), salt)
	verifier, err := c.EncryptValue(ctx, known)
	if err != nil {
		return "", Crypter{}, errors.New("making a salt: encrypting failed")
	}
	return "v1:" + base64.StdEncoding.EncodeToString(salt) + ":" + verifier, Crypter{c}, nil
}

// Encrypt returns the text that stands after `secure:`.
func (c Crypter) Encrypt(ctx context.Context, v secrets.Value) (string, error) {
	text, err := c.crypter.EncryptValue(ctx, string(v.Reveal()))
	if err != nil {
		return "", errors.New("encrypting failed")
	}
	return text, nil
}
