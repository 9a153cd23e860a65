package drift

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
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
	s.standings.get(func() []rotation.Standing { return nil })
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
	// A key that nobody has agreed to is looked at and encrypted to by no command.
	found = look()
	require.Len(t, found, 1)
	require.Equal(t, "foreign-change:pass/shop/.gpg-id", found[0].Key())
	require.Equal(t, Error, found[0].Severity)
	require.Contains(t, found[0].Detail, gone)
	require.Equal(t, "pass git log -p -- shop/.gpg-id", found[0].Fix)
	require.Equal(t, []string{"Store Test <store@example.invalid> (" + own + ")", "Gone <gone@example.invalid> (" + gone + ")"}, s.readable["shop"])

	o := f.Options()
	o.Recipients = []string{own, gone}
	s.Store = f.Open(o)
	found = look()
	require.Len(t, found, 1)
	require.Equal(t, "foreign-change:pass/shop/.gpg-id", found[0].Key())
	require.Equal(t, Warning, found[0].Severity)
	f.Pass("", strings.Fields(strings.TrimPrefix(found[0].Fix, "pass "))...)
	require.Empty(t, look())
}

// A key that joined after a rotation is found though every entry is encrypted to it
// and all agrees: by the journal, or by the catalog's list.
func TestAKeyThatJoinedIsFound(t *testing.T) {
	f := storetest.New(t)
	own := strings.TrimSpace(f.Run("", "cat", ".gpg-id"))
	key := f.Key("Mallory <mallory@example.invalid>", "", "never")
	f.Pass("", "init", own, key)
	f.Pass("value\n", "insert", "-m", "-f", "shop/key")
	s := company(t)
	s.Next = func(err error) string { return err.Error() }
	s.chosen = []secrets.Secret{{Name: "shop", Entries: []secrets.Entry{{Path: "shop/key"}}}}
	look := func(listed []string, before ...string) []Finding {
		o := f.Options()
		o.Recipients = listed
		s.Store = f.Open(o)
		s.standings = once[[]rotation.Standing]{}
		s.standings.get(func() []rotation.Standing {
			return []rotation.Standing{{Secret: s.chosen[0], Last: journal.Event{Recipients: map[string][]string{"key": before}}}}
		})
		var out sheet
		s.recipients(t.Context(), &out)
		require.Empty(t, out.gaps)
		return out.findings
	}
	require.Empty(t, look(nil), "nothing tells who could read before")
	require.Empty(t, look(nil, own, key))
	require.Empty(t, look([]string{own, key}, own))
	for _, found := range [][]Finding{look(nil, own), look([]string{own}, own, key)} {
		require.Len(t, found, 1)
		require.Equal(t, "foreign-change:pass/.gpg-id", found[0].Key())
		require.Equal(t, Error, found[0].Severity)
		require.Contains(t, found[0].Detail, key)
		require.Contains(t, found[0].Detail, f.Git("log", "-1", "--format=%h", "--abbrev=12", "--", ".gpg-id"))
		require.Equal(t, "pass git log -p -- .gpg-id", found[0].Fix)
	}
}

// A key that ends is told before nothing can be written any more, once.
func TestAKeyThatEndsIsTold(t *testing.T) {
	f := storetest.New(t)
	key := f.Key("Short <short@example.invalid>", "", "10d")
	f.Pass("", "init", key)
	s := company(t)
	s.Store, s.Next, s.Now = f.Store, func(err error) string { return err.Error() }, time.Now
	s.chosen = []secrets.Secret{{Name: "shop", Entries: []secrets.Entry{{Path: "shop/key"}, {Path: "ops/key"}}}}
	s.standings.get(func() []rotation.Standing { return nil })
	var out sheet
	s.recipients(t.Context(), &out)
	require.Len(t, out.findings, 1)
	require.Equal(t, "expiring:key/"+key, out.findings[0].Key())
	require.Empty(t, out.gaps)
}
