package drift

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// Somebody who has left .gpg-id can read what was never encrypted anew, and
// somebody who has joined cannot: one finding for each .gpg-id, whose command mends
// it.
func TestEntriesAreEncryptedToTheirReadersAlone(t *testing.T) {
	f := storetest.New(t)
	own := strings.TrimSpace(f.Run("", "cat", ".gpg-id"))
	gone := f.Key("Gone <gone@example.invalid>", "", "never")
	s := company(t)
	s.Store, s.Next = f.Store, func(err error) string { return err.Error() }
	s.chosen = []secrets.Secret{{Name: "shop", Entries: []secrets.Entry{{Path: "shop/key"}, {Path: "shop/hook"}, {Path: "ops/key"}}}}
	f.Pass("", "init", own, gone)
	for _, p := range []string{"shop/key", "shop/hook", "ops/key"} {
		f.Pass("value\n", "insert", "-m", "-f", p)
	}
	look := func() []Finding {
		var out sheet
		out.next = s.Next
		s.recipients(t.Context(), &out)
		require.Empty(t, out.gaps)
		return out.findings
	}
	require.Empty(t, look())

	require.NoError(t, os.WriteFile(filepath.Join(f.Dir, ".gpg-id"), []byte(own+"\n"), 0o600))
	found := look()
	require.Len(t, found, 1)
	require.Equal(t, "foreign-change:pass/.gpg-id", found[0].Key())
	require.Equal(t, Error, found[0].Severity)
	require.Contains(t, found[0].Detail, "ops/key, shop/hook, shop/key")
	require.Equal(t, "pass init "+own, found[0].Fix)
	f.Pass("", strings.Fields(strings.TrimPrefix(found[0].Fix, "pass "))...)
	require.Empty(t, look(), "the command that is printed mends it")

	require.NoError(t, os.WriteFile(filepath.Join(f.Dir, "shop", ".gpg-id"), []byte(own+"\n"+gone+"\n"), 0o600))
	found = look()
	require.Len(t, found, 1)
	require.Equal(t, "foreign-change:pass/shop/.gpg-id", found[0].Key())
	require.Equal(t, Warning, found[0].Severity)
	f.Pass("", strings.Fields(strings.TrimPrefix(found[0].Fix, "pass "))...)
	require.Empty(t, look())
}

// A key that ends is told before nothing can be written any more, once.
func TestAKeyThatEndsIsTold(t *testing.T) {
	f := storetest.New(t)
	key := f.Key("Short <short@example.invalid>", "", "10d")
	f.Pass("", "init", key)
	s := company(t)
	s.Store, s.Next, s.Now = f.Store, func(err error) string { return err.Error() }, time.Now
	s.chosen = []secrets.Secret{{Name: "shop", Entries: []secrets.Entry{{Path: "shop/key"}, {Path: "ops/key"}}}}
	var out sheet
	s.recipients(t.Context(), &out)
	require.Len(t, out.findings, 1)
	require.Equal(t, "expiring:key/"+key, out.findings[0].Key())
	require.Empty(t, out.gaps)
}
