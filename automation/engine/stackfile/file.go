// Package stackfile reads and edits Pulumi.<stack>.yaml: config secrets are
// encrypted and decrypted in this process, and a write changes the bytes of
// the named keys and nothing else.
package stackfile

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/encoding"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

var (
	// ErrFormat marks a file that cannot be read or edited as YAML.
	ErrFormat = errors.New("not a stack file that can be edited")
	// ErrProvider marks a stack whose secrets can be opened by nothing known here.
	ErrProvider = errors.New("this secrets provider is not supported")
	// ErrTaken refuses to put a secret where something else stands.
	ErrTaken = errors.New("nothing but a secret is replaced by a secret")
	// ErrChanged says that somebody else has written the file meanwhile.
	ErrChanged = errors.New("the file has been changed by somebody else since")
)

// File is one stack's file; Project is the Pulumi project's name, the
// namespace of short keys.
type File struct {
	Path    string
	Project *workspace.Project
	// Keeper encrypts and decrypts where that takes more than a passphrase.
	Keeper Keeper

	// beforeRename lets a test end the process at the worst moment.
	beforeRename func()
}

// Content is what a file holds.
type Content struct {
	Raw    []byte
	Exists bool
	// Salt is the line `encryptionsalt`, "" if there is none.
	Salt   string
	Config config.Map
	// Provider is the scheme of a secrets provider that needs a Keeper, such as
	// awskms; "" is a passphrase.
	Provider string

	dataKey string // as it stands in the file, encrypted by the provider
}

// Load reads the file; one that does not exist is an empty one. With an
// ErrProvider comes the content as well: what is not encrypted can be read.
func (f File) Load() (Content, error) {
	raw, err := os.ReadFile(f.Path)
	if errors.Is(err, os.ErrNotExist) {
		return Content{Config: config.Map{}}, nil
	}
	if err != nil {
		return Content{}, fmt.Errorf("reading %s: %w", f.name(), err)
	}
	return f.parse(raw)
}

func (f File) parse(raw []byte) (Content, error) {
	if ext := filepath.Ext(f.Path); ext != ".yaml" && ext != ".yml" {
		return Content{}, fmt.Errorf("reading %s: only YAML is supported, not %s: %w", f.name(), ext, ErrFormat)
	}
	ps, err := workspace.LoadProjectStackBytes(nil, f.Project, raw, f.Path, encoding.YAML)
	if err != nil {
		return Content{}, fmt.Errorf("reading %s: %w", f.name(), formatError(err))
	}
	c := Content{Raw: raw, Exists: true, Salt: ps.EncryptionSalt, Config: ps.Config, dataKey: ps.EncryptedKey}
	switch name := scheme(ps.SecretsProvider); name {
	case "awskms", "azurekeyvault", "gcpkms", "hashivault":
		c.Provider = name
		if ps.EncryptedKey == "" {
			return Content{}, fmt.Errorf("reading %s: it names the secrets provider %s but holds no encryptedkey: restore the line from git: %w", f.name(), name, ErrFormat)
		}
	case "", "passphrase", "default":
		if ps.EncryptedKey != "" {
			return Content{}, fmt.Errorf("reading %s: it holds an encryptedkey but does not say whose: restore the line secretsprovider from git: %w", f.name(), ErrFormat)
		}
		if ps.EncryptionSalt == "" && ps.Config.HasSecureValue() {
			if f.ofCloud(c) {
				return c, fmt.Errorf("reading %s: its secrets are encrypted by Pulumi Cloud: %w", f.name(), ErrProvider)
			}
			return Content{}, fmt.Errorf("reading %s: it holds secrets but no encryptionsalt, so nothing can open them: restore the line from git: %w", f.name(), ErrFormat)
		}
	case "service":
		return c, fmt.Errorf("reading %s: its secrets are encrypted by Pulumi Cloud: %w", f.name(), ErrProvider)
	default:
		return c, fmt.Errorf("reading %s: its secrets are encrypted by %s: %w", f.name(), name, ErrProvider)
	}
	return c, nil
}

// ofCloud reports whether every ciphertext has the form of Pulumi Cloud's, bare
// base64: whatever else encrypts config puts v1: before it.
func (f File) ofCloud(c Content) bool {
	all := true
	_, err := f.opened(c, func(_, cipher string) (secrets.Value, bool) {
		_, err := base64.StdEncoding.DecodeString(cipher)
		all = all && err == nil
		return secrets.Value{}, false
	})
	return all && err == nil
}

// Key is the form in which a config key is shown and given: short in the
// project's own namespace, else "namespace:name".
func (f File) Key(k config.Key) string {
	if k.Namespace() == f.Project.Name.String() {
		return k.Name()
	}
	return k.String()
}

func (f File) name() string { return filepath.Base(f.Path) }

// scheme is a secrets provider without its parameters.
func scheme(provider string) string {
	name, _, _ := strings.Cut(provider, ":")
	if provider != "" && !regexp.MustCompile(`^[a-z0-9+]+$`).MatchString(name) {
		return "another provider"
	}
	return name
}

// formatError keeps the line of a YAML error and drops the rest, which quotes
// the file.
func formatError(err error) error {
	if line := regexp.MustCompile(`line [0-9]+`).FindString(err.Error()); line != "" {
		return fmt.Errorf("%s: %w", line, ErrFormat)
	}
	return ErrFormat
}
