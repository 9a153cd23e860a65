package stackfile

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// foreign is a ciphertext of another salt.
const foreign = "v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="

// mixed has a key in every form.
const mixed = `encryptionsalt: %SALT%
config:
  plain: 5
  aws:region: x
  shop:token:
    secure: %OLD%
  shop:config:legacy:
    secure: %OLD%
  shop:db:
    host: h
    port: 5432
    password:
      secure: %OLD%
    spare: {in.clear: sk_plain}
  gcp:keys:
  - secure: %OLD%
  - sk_second
  shop:a.b: {c: {secure: "%OLD%"}}
  shop:lost:
    secure: FOREIGN
  shop:half:
    good: {secure: "%OLD%"}
    bad: {secure: "FOREIGN"}
`

func decrypted(t *testing.T, k kit, text string) Opened {
	t.Helper()
	f := file(t, text)
	c, err := f.Load()
	require.NoError(t, err)
	o, err := f.Decrypt(context.Background(), c, k.crypt)
	require.NoError(t, err)
	return o
}

func TestEveryFormOfAKeyIsOpened(t *testing.T) {
	k := newKit(t)
	k.foreign = foreign
	o := decrypted(t, k, k.fill(mixed))
	require.Equal(t, map[string]string{"plain": "5", "aws:region": "x"}, o.Plain)
	require.Len(t, o.Secrets, 2)
	require.True(t, o.Secrets["token"].Equal(value("old")))
	require.True(t, o.Secrets["legacy"].Equal(value("old")))
	require.Equal(t, []string{"half", "lost"}, o.Unreadable)
	for key, want := range map[string]Form{"plain": Plain, "aws:region": Plain, "shop:plain": Plain, "token": Secret, "shop:token": Secret, "legacy": Secret,
		"db": Object, "shop:db": Object, "gcp:keys": Object, "keys": Absent, "a.b": Object, "half": Object, "lost": Unreadable, "db.password": Absent, "nothing": Absent} {
		require.Equal(t, want, o.Form(key), key)
	}
	type leaf struct {
		key    string
		secret bool
		value  string
	}
	want := map[string]leaf{
		"db.host": {"db", false, "h"}, "db.port": {"db", false, "5432"}, "db.password": {"db", true, "old"}, `db.spare["in.clear"]`: {"db", false, "sk_plain"},
		"gcp:keys[0]": {"gcp:keys", true, "old"}, "gcp:keys[1]": {"gcp:keys", false, "sk_second"},
		`["a.b"].c`: {"a.b", true, "old"}, "half.good": {"half", true, "old"},
	}
	require.Len(t, o.Nested, len(want))
	for _, n := range o.Nested {
		w := want[n.Path]
		require.Equal(t, w.key, n.Key, n.Path)
		require.Equal(t, w.secret, n.Secret, n.Path)
		require.True(t, n.Value.Equal(value(w.value)), n.Path)
	}
	require.Len(t, o.Inside("shop:db"), 4)
	require.Empty(t, o.Inside("keys"))
}

// What somebody else's passphrase encrypted bars its own key and no other one,
// and stays where it is.
func TestAForeignCiphertextBarsItsOwnKeyAlone(t *testing.T) {
	k := newKit(t)
	k.foreign = foreign
	f := file(t, k.fill(mixed))
	edit, err := f.Update(context.Background(), map[string]secrets.Value{"token": value("new")}, false, k.open)
	require.NoError(t, err)
	require.Equal(t, []string{"token"}, edit.Changed)
	after := read(t, f)
	require.Contains(t, after, "  shop:lost:\n    secure: "+foreign+"\n")
	o := decrypted(t, k, after)
	require.True(t, o.Secrets["token"].Equal(value("new")))
	require.Equal(t, []string{"half", "lost"}, o.Unreadable)
	_, err = f.Update(context.Background(), map[string]secrets.Value{"lost": value("new")}, false, k.open)
	require.ErrorIs(t, err, ErrTaken)
	require.ErrorContains(t, err, "lost of Pulumi.prod.yaml")
	require.Equal(t, after, read(t, f))
}

// The same key in the form of before 2018 and in that of today is one key.
func TestBothFormsOfAKeyAreReplaced(t *testing.T) {
	k := newKit(t)
	f := file(t, k.fill("encryptionsalt: %SALT%\nconfig:\n  shop:config:token:\n    secure: %OLD%\n  token:\n    secure: %OLD%\n"))
	_, err := f.Update(context.Background(), map[string]secrets.Value{"token": value("new")}, false, k.open)
	require.NoError(t, err)
	require.Equal(t, k.fill("encryptionsalt: %SALT%\nconfig:\n  shop:config:token:\n    secure: CIPHER\n  token:\n    secure: CIPHER\n"), k.only(read(t, f)))
}
