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

// vault is a scene over one secret in a real store, with a journal.
func vault(t *testing.T, f *storetest.Fixture) (*scene, *journal.Journal) {
	t.Helper()
	s := company(t)
	j := journal.InDir(t.TempDir())
	s.Store, s.Next, s.Key = f.Store, func(error) string { return "" }, value("fingerprints")
	sec := secrets.Secret{Name: "shop", Service: "acme", Entries: []secrets.Entry{{Path: "shop/key"}}}
	s.Catalog = &secrets.Catalog{Secrets: []secrets.Secret{sec}}
	s.chosen = []secrets.Secret{sec}
	s.Records = rotation.Records{Catalog: s.Catalog, Journal: j, Changed: f.Store.Changed, Edited: f.Store.Edited, Now: time.Now}
	return s, j
}

// What a rotation keeps beside an entry is a finding as soon as no rotation accounts
// for it: the next one would take it for its own.
func TestWhatARotationHasLeftIsAFinding(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"shop/key": "value-in-use", "rotation/pending/shop/key": "value-in-use", "rotation/previous/shop/key": "value-before",
		"rotation/previous/gone/key": "value-of-nobody"})
	look := func(last journal.State) (found []string, fixes []string) {
		s, j := vault(t, f)
		if last != "" {
			log, err := j.Open(t.Context(), "shop")
			require.NoError(t, err)
			require.NoError(t, log.Append(t.Context(), journal.Event{Rotation: "r1", State: last}))
		}
		out := sheet{next: s.Next}
		paths, err := s.Store.List(t.Context())
		require.NoError(t, err)
		s.leftovers(t.Context(), paths, &out)
		for _, o := range out.findings {
			require.True(t, o.Counts())
			found, fixes = append(found, o.Key()), append(fixes, o.Fix)
		}
		return found, fixes
	}
	gone, pending, previous := "unknown-entry:rotation/previous/gone/key", "unknown-entry:rotation/pending/shop/key", "unknown-entry:rotation/previous/shop/key"
	for _, state := range []journal.State{"", journal.Done, journal.RolledBack} {
		found, fixes := look(state)
		require.Equal(t, []string{gone, pending, previous}, found, state)
		require.Equal(t, []string{"pass rm -f rotation/pending/shop/key", "pass rm -f rotation/previous/shop/key"}, fixes[1:])
	}
	for _, state := range []journal.State{journal.Staging, journal.Promoted, journal.Grace, journal.RollingBack} {
		found, _ := look(state)
		require.Equal(t, []string{gone}, found, state)
	}
	f.Insert(map[string]string{"rotation/pending/shop/key": "value-that-is-new"})
	_, fixes := look(journal.Done)
	require.Equal(t, "go run . rotate --secret shop --pending", fixes[1], "it is to be rolled out, not removed")
}

// Who may not read an entry may not read what a rotation keeps of it: that is what it
// will hold, or has held.
func TestCopiesOfARotationHaveNoOtherReaders(t *testing.T) {
	f := storetest.New(t)
	own := strings.TrimSpace(f.Run("", "cat", ".gpg-id"))
	other := f.Key("Other <other@example.invalid>", "", "never")
	f.Pass("", "init", own, other)
	f.Pass("", "init", "--path=shop", own)
	for _, p := range []string{"shop/key", "rotation/previous/shop/key"} {
		f.Pass("value\n", "insert", "-m", "-f", p)
	}
	look := func() []Finding {
		s, _ := vault(t, f)
		out := sheet{next: s.Next}
		s.recipients(t.Context(), &out)
		require.Empty(t, out.gaps)
		return out.findings
	}
	found := look()
	require.Len(t, found, 1)
	require.Equal(t, "foreign-change:pass/rotation/previous/shop", found[0].Key())
	require.Equal(t, Error, found[0].Severity)
	require.Contains(t, found[0].Detail, "rotation/previous/shop/key")
	f.Pass("", strings.Fields(strings.TrimPrefix(found[0].Fix, "pass "))...)
	require.Empty(t, look(), "the command that is printed mends it")
	_, err := os.Stat(filepath.Join(f.Dir, "shop", ".gpg-id"))
	require.NoError(t, err)
}
