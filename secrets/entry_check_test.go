package secrets_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func embeddedEntry(t *testing.T, secret, name string) secrets.Entry {
	t.Helper()
	cat, err := secrets.Embedded()
	require.NoError(t, err)
	s, ok := cat.Secret(secret)
	require.True(t, ok)
	e, ok := s.Entry(name)
	require.True(t, ok)
	return e
}

func TestCheckAcceptsWhatTheServicesIssue(t *testing.T) {
	for _, c := range []struct{ secret, entry, value string }{
		{"cloudflare", "api-token", "cfut_" + strings.Repeat("aB3", 13) + "x" + "0123abcd"},
		{"cloudflare", "api-token", "cfat_" + strings.Repeat("aB3", 13) + "x" + "0123abcd"},
		{"cloudflare", "api-token", strings.Repeat("a-B_", 10)},
		{"scaleway", "access-key", "SCW0123456789ABCDEFG"},
		{"scaleway", "api-secret", "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f"},
		{"clerk", "secret-key", "sk_live_" + strings.Repeat("aB3", 14)},
		{"clerk-test", "test-secret-key", "sk_test_" + strings.Repeat("aB3", 14)},
		{"stripe", "secret-key", "sk_live_" + strings.Repeat("aB3", 33)},
		{"stripe", "secret-key", "rk_live_" + strings.Repeat("aB3", 33)},
		{"stripe", "webhook-secret", "whsec_" + strings.Repeat("aB3", 11)},
		{"sightengine", "api-user", "1234567890"},
		{"sightengine", "api-secret", strings.Repeat("aB3", 11)},
	} {
		require.NoError(t, embeddedEntry(t, c.secret, c.entry).Check(secrets.NewValue([]byte(c.value))), c.secret+" "+c.entry)
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	body := strings.Repeat("aB3", 10)
	stripe := "expected a Stripe live key (sk_live_… or rk_live_…)"
	for _, c := range []struct{ secret, entry, value, want string }{
		{"stripe", "secret-key", "", "found an empty value, " + stripe},
		{"stripe", "secret-key", "sk_test_" + body, "found a test-mode secret key (it begins with sk_test_, 38 characters), " + stripe},
		{"stripe", "secret-key", "pk_live_" + body, "found a live publishable key (it begins with pk_live_, 38 characters), " + stripe},
		{"stripe", "secret-key", "whsec_" + body, "found a webhook signing secret (it begins with whsec_, 36 characters), " + stripe},
		{"stripe", "secret-key", "sk_live_short", "found a value that begins with sk_live_ as it should, with a wrong length or wrong characters after it (13 characters), " + stripe},
		{"stripe", "secret-key", body, "found another kind of value (30 characters), " + stripe},
		{"stripe", "secret-key", "x sk_live_" + body, "found another kind of value (40 characters), " + stripe},
		{"stripe", "secret-key", "sk_live_" + body + "\n", "found a value with blanks or a newline before or after it (39 characters), " + stripe},
		{"stripe", "secret-key", " sk_live_" + body, "found a value with blanks or a newline before or after it (39 characters), " + stripe},
		{"stripe", "secret-key", "sk_live_" + body + "\r\n", "found a value with a carriage return, as of a Windows file (40 characters), " + stripe},
		{"stripe", "secret-key", "sk_live_" + body + "\x00", "found a value with a NUL byte (39 characters), " + stripe},
		{"stripe", "secret-key", "sk_live_" + body + "\nsecond line", "found a value of several lines (50 characters), " + stripe},
		{"clerk-test", "test-secret-key", "sk_live_" + body, "found a live secret key (it begins with sk_live_, 38 characters), expected a Clerk testing secret key (sk_test_…)"},
		{"scaleway", "api-secret", "SCW0123456789ABCDEFG", "found a Scaleway access key (it begins with SCW, 20 characters), expected a Scaleway secret key (a UUID)"},
		{"sightengine", "api-user", body, "found another kind of value (30 characters), expected a Sightengine API user (digits)"},
	} {
		e := embeddedEntry(t, c.secret, c.entry)
		err := e.Check(secrets.NewValue([]byte(c.value)))
		require.EqualError(t, err, "entry "+e.Path+": "+c.want)
		var shape *secrets.ShapeError
		require.ErrorAs(t, err, &shape)
		require.Equal(t, e.Path, shape.Path)
	}
}

func TestCheckWithoutExpectOrPattern(t *testing.T) {
	v := secrets.NewValue([]byte("two\nlines"))
	err := secrets.Entry{Path: "a/b"}.Check(v)
	require.EqualError(t, err, "entry a/b: found a value of several lines (9 characters), expected a value of one line without blanks around it")
	err = secrets.Entry{Path: "a/b", Pattern: "[0-9]+|x"}.Check(secrets.NewValue([]byte("12x")))
	require.EqualError(t, err, "entry a/b: found another kind of value (3 characters), expected a value that fits [0-9]+|x")
	err = secrets.Entry{Path: "a/b", Pattern: "("}.Check(secrets.NewValue([]byte("12x")))
	require.ErrorContains(t, err, "pattern of the entry broken")
	require.Error(t, secrets.Entry{Path: "a/b", Pattern: "a)|(b"}.Check(secrets.NewValue([]byte("a and more"))))
}

func TestCheckRaw(t *testing.T) {
	raw := secrets.Entry{Path: "a/b", Read: secrets.FormatRaw}
	require.NoError(t, raw.Check(secrets.NewValue([]byte("line\n  indented\n"))), "a file keeps its newlines")
	for _, bad := range []string{"", "a\r\nb\n", "a\x00", " a\n", "a\n\t"} {
		require.Error(t, raw.Check(secrets.NewValue([]byte(bad))), "%q", bad)
	}
	require.Error(t, secrets.Entry{Path: "a/b", Read: "field:x"}.Check(secrets.NewValue([]byte("a\nb"))))
}

// No run of four characters of a refused value is in the error, but for what a
// public prefix holds.
func TestCheckNeverShowsTheValue(t *testing.T) {
	entries := []secrets.Entry{embeddedEntry(t, "stripe", "secret-key"), embeddedEntry(t, "cloudflare", "api-token"), {Path: "a/b", Pattern: "[0-9]{3}"}}
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SampledFrom([]string{"", "sk_test_", "sk_live_", "pk_live_", "whsec_", "cfut_", "SCW", "ghp_", "AKIA"}).Draw(t, "prefix")
		// Letters that no error text has in a row.
		body := rapid.StringMatching(`[QZXJ\n\x00\r "]{8,30}`).Draw(t, "body")
		err := rapid.SampledFrom(entries).Draw(t, "entry").Check(secrets.NewValue([]byte(prefix + body)))
		require.Error(t, err)
		for i := range len(body) - 3 {
			if part := body[i : i+4]; strings.TrimSpace(part) != "" {
				require.NotContains(t, fmt.Sprintf("%+v %#v", err, err), part)
			}
		}
		require.NotContains(t, err.Error(), "ghp_")
		require.NotContains(t, err.Error(), "AKIA")
	})
}
