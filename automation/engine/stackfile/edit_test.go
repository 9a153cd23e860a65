package stackfile

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const phrase = "correct horse battery staple"

func value(s string) secrets.Value { return secrets.NewValue([]byte(s)) }

// kit is a salt, its crypter and a value encrypted with it.
type kit struct {
	salt, old string
	crypt     Crypter
	foreign   string // what stands for a ciphertext of another salt
}

func newKit(t *testing.T) kit {
	t.Helper()
	salt, crypt, err := NewSalt(context.Background(), value(phrase))
	require.NoError(t, err)
	old, err := crypt.Encrypt(context.Background(), value("old"))
	require.NoError(t, err)
	return kit{salt: salt, old: old, crypt: crypt}
}

func (k kit) open(salt string) (string, Crypter, error) {
	if salt == "" || salt == k.salt {
		return k.salt, k.crypt, nil
	}
	return "", Crypter{}, ErrPassphrase
}

func (k kit) fill(s string) string {
	return strings.NewReplacer("%SALT%", k.salt, "%OLD%", k.old, "FOREIGN", k.foreign).Replace(s)
}

func file(t *testing.T, content string) File {
	f := File{Project: &workspace.Project{Name: tokens.PackageName("shop")}}
	if t == nil {
		return f
	}
	t.Helper()
	f.Path = filepath.Join(t.TempDir(), "Pulumi.prod.yaml")
	if content != "" {
		require.NoError(t, os.WriteFile(f.Path, []byte(content), 0o644))
	}
	return f
}

func read(t *testing.T, f File) string {
	t.Helper()
	raw, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	return string(raw)
}

var someCipher = regexp.MustCompile(`v1:[A-Za-z0-9+/=]{16}:[A-Za-z0-9+/=]+`)

// only replaces what stands for the new ciphertext, so that all else is
// compared byte for byte.
func (k kit) only(got string) string {
	return someCipher.ReplaceAllStringFunc(got, func(s string) string {
		if s == k.old || strings.Contains(k.salt, s) {
			return s
		}
		return "CIPHER"
	})
}

func TestUpdateChangesNothingButItsKey(t *testing.T) {
	k := newKit(t)
	for _, s := range corpus() {
		t.Run(s.name, func(t *testing.T) {
			f := file(t, k.fill(s.before))
			edit, err := f.Update(context.Background(), map[string]secrets.Value{"stripe-secret-key": value("sk_new")}, false, k.open)
			require.NoError(t, err)
			require.Equal(t, []string{"stripe-secret-key"}, edit.Changed)
			require.Equal(t, k.fill(s.after), k.only(read(t, f)))

			c, err := f.Load()
			require.NoError(t, err)
			opened, err := f.Decrypt(context.Background(), c, k.crypt)
			require.NoError(t, err)
			require.True(t, opened.Secrets["stripe-secret-key"].Equal(value("sk_new")))

			again, err := f.Update(context.Background(), map[string]secrets.Value{"stripe-secret-key": value("sk_new")}, false, k.open)
			require.NoError(t, err)
			require.Empty(t, again.Changed, "the same value is not encrypted anew")
			require.Equal(t, k.fill(s.after), k.only(read(t, f)))

			require.NoError(t, edit.Undo())
			require.Equal(t, k.fill(s.before), read(t, f))
		})
	}
}

func TestUpdateRefusesWhatItCannotChangeAlone(t *testing.T) {
	k := newKit(t)
	for _, s := range refused() {
		t.Run(s.name, func(t *testing.T) {
			f := file(t, k.fill(s.before))
			_, err := f.Update(context.Background(), map[string]secrets.Value{"stripe-secret-key": value("sk_new")}, false, k.open)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "sk_new")
			require.Equal(t, k.fill(s.before), read(t, f))
		})
	}
}

func TestUpdateOfSeveralKeysIsOneWrite(t *testing.T) {
	k := newKit(t)
	f := file(t, k.fill("encryptionsalt: %SALT%\nconfig:\n  shop:a:\n    secure: %OLD%\n"))
	edit, err := f.Update(context.Background(), map[string]secrets.Value{
		"z": value("1"), "a": value("old"), "aws:key": value("2"), "shop:b": value("3")}, false, k.open)
	require.NoError(t, err)
	require.Equal(t, []string{"aws:key", "shop:b", "z"}, edit.Changed, "a had its value already")
	require.Equal(t, k.fill("encryptionsalt: %SALT%\nconfig:\n  shop:a:\n    secure: %OLD%\n  aws:key:\n    secure: CIPHER\n  shop:b:\n    secure: CIPHER\n  shop:z:\n    secure: CIPHER\n"), k.only(read(t, f)))
}

func TestUpdateMakesANewFileWithASalt(t *testing.T) {
	for name, content := range map[string]string{"missing": "", "empty": "\n", "only a comment": "# to be filled\n", "no salt yet": "# mine\nconfig:\n  shop:a: b\n"} {
		t.Run(name, func(t *testing.T) {
			f := file(t, content)
			edit, err := f.Update(context.Background(), map[string]secrets.Value{"token": value("abc")}, true,
				func(salt string) (string, Crypter, error) {
					require.Empty(t, salt)
					return NewSalt(context.Background(), value(phrase))
				})
			require.NoError(t, err)
			c, err := f.Load()
			require.NoError(t, err)
			crypt, err := Open(value(" "+phrase+"\n"), c.Salt)
			require.NoError(t, err, "the passphrase is trimmed as the CLI does it")
			opened, err := f.Decrypt(context.Background(), c, crypt)
			require.NoError(t, err)
			require.True(t, opened.Secrets["token"].Equal(value("abc")))
			require.True(t, strings.HasPrefix(read(t, f), strings.SplitAfter(content, "\n")[0]) || strings.HasPrefix(content, "\n"))

			require.NoError(t, edit.Undo())
			if content == "" {
				require.NoFileExists(t, f.Path)
			} else {
				require.Equal(t, content, read(t, f))
			}
		})
	}
}

func TestUpdateMakesNoFileUnlessTold(t *testing.T) {
	k := newKit(t)
	f := file(t, "")
	_, err := f.Update(context.Background(), map[string]secrets.Value{"a": value("b")}, false, k.open)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoFileExists(t, f.Path)
}

func TestOtherSecretsProvidersAreRefused(t *testing.T) {
	for name, content := range map[string]string{
		"provider": "secretsprovider: other://alias/secret-thing?region=x\nencryptedkey: abc\n",
		"service":  "secretsprovider: service\n",
		// As on Pulumi Cloud, where the file names no provider.
		"Pulumi Cloud":         "config:\n  aws:region: x\n  shop:token:\n    secure: AAABAMl3FzWfmPHBJDH+gLFXQv3ZEzG5qLyYbM1OSHSO4pVJgPnGC8mM\n",
		"Pulumi Cloud, nested": "config:\n  shop:app:\n  - token:\n      secure: AAABAMl3FzWfmPHBJDH+gLFXQv3ZEzG5qLyYbM1OSHSO4pVJgPnGC8mM\n",
		"no form":              "secretsprovider: 'SECRET-thing'\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := file(t, content)
			c, err := f.Load()
			require.ErrorIs(t, err, ErrProvider)
			if strings.Contains(name, "Cloud") || name == "service" {
				require.ErrorContains(t, err, "Pulumi Cloud")
			}
			o, err2 := f.Unsealed(c)
			require.NoError(t, err2)
			require.Empty(t, o.Secrets)
			require.NotContains(t, err.Error(), "secret-thing")
			require.NotContains(t, err.Error(), "SECRET-thing")
		})
	}
	for content, missing := range map[string]string{"encryptedkey: abc\n": "secretsprovider", "secretsprovider: awskms://alias/x\n": "encryptedkey",
		"config:\n  shop:token:\n    secure: " + foreign + "\n": "encryptionsalt"} {
		_, err := file(t, content).Load()
		require.ErrorIs(t, err, ErrFormat)
		require.ErrorContains(t, err, missing)
	}
}

func TestErrorsDoNotQuoteTheFile(t *testing.T) {
	f := file(t, "config:\n  shop:a: b\n  - s3cr3t-looking: [\n")
	_, err := f.Load()
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorContains(t, err, "line ")
	require.NotContains(t, err.Error(), "s3cr3t")
}

func TestPassphrases(t *testing.T) {
	k := newKit(t)
	for _, empty := range []string{"", " ", "\n", "\t\r\n "} {
		_, err := Open(value(empty), k.salt)
		require.ErrorIs(t, err, ErrEmptyPassphrase)
		_, _, err = NewSalt(context.Background(), value(empty))
		require.ErrorIs(t, err, ErrEmptyPassphrase)
	}
	_, err := Open(value("wrong"), k.salt)
	require.ErrorIs(t, err, ErrPassphrase)
	for _, salt := range []string{"v2:" + k.salt[3:], "v1:abc", "v1:!!!:" + strings.SplitN(k.salt, ":", 3)[2]} {
		_, err = Open(value(phrase), salt)
		require.ErrorIs(t, err, ErrFormat)
	}
}
