package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

func TestChanged(t *testing.T) {
	f := storetest.New(t)
	at := func(date, stdin string, args ...string) {
		f.Run(stdin, "env", append([]string{"GIT_COMMITTER_DATE=" + date, "pass"}, args...)...)
	}
	changed := func(path string, until time.Time) time.Time {
		t.Helper()
		when, err := f.Store.Changed(t.Context(), path, until)
		require.NoError(t, err)
		return when
	}
	first, second := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at("2026-01-02T03:04:05Z", "one\n", "insert", "-m", "a/b")
	at("2026-01-05T00:00:00Z", "other\n", "insert", "-m", "a/c")
	require.Equal(t, first, changed("a/b", time.Time{}), "the other entry's commit is not this one's")
	at("2026-03-01T00:00:00Z", "two\n", "insert", "-m", "-f", "a/b")
	require.Equal(t, second, changed("a/b", time.Time{}))
	require.Equal(t, first, changed("a/b", time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)))
	require.Zero(t, changed("a/b", time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.Zero(t, changed("a/none", time.Time{}))

	before := f.Git("rev-parse", "HEAD:a/b.gpg")
	at("2026-05-01T00:00:00Z", "", "init", "-p", "a", storetest.Email, f.Key("New <new@example.invalid>", "", "never"))
	require.NotEqual(t, before, f.Git("rev-parse", "HEAD:a/b.gpg"), "pass did not encrypt anew")
	require.Equal(t, second, changed("a/b", time.Time{}), "the same content for other keys makes no secret younger")

	f.Run("", "rm", "-rf", f.Dir+"/.git")
	require.Zero(t, changed("a/b", time.Time{}))
}
