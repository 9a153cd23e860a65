package services_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// The forms are those of the catalog.
func TestWrongKeepsTheForm(t *testing.T) {
	for _, form := range []string{
		`cf(ut|at)_[A-Za-z0-9]{40}[0-9a-f]{8}`, `[A-Za-z0-9_-]{40}`, `SCW[A-Z0-9]{17}`,
		`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`,
		`sk_live_[A-Za-z0-9]{16,}`, `sk_test_[A-Za-z0-9]{16,}`, `(sk|rk)_live_[A-Za-z0-9]{16,}`,
		`whsec_[A-Za-z0-9+/=]{16,}`, `[0-9]{6,12}`, `[A-Za-z0-9]{16,64}`,
	} {
		whole := regexp.MustCompile(`^(?:` + form + `)$`)
		rapid.Check(t, func(t *rapid.T) {
			right := rapid.StringMatching(form).Draw(t, "right")
			cred := services.Credential{"key": secrets.NewValue([]byte(right)), "other": secrets.NewValue([]byte("kept"))}
			wrong := services.Wrong(cred, "key")
			got := string(wrong["key"].Reveal())
			require.True(t, whole.MatchString(got) || !whole.MatchString(right), "the form was lost")
			require.NotEqual(t, right, got)
			require.True(t, cred["key"].Equal(secrets.NewValue([]byte(right))), "the right value must not change")
			require.True(t, wrong["other"].Equal(cred["other"]))
		})
	}
}

func TestWrongIsDifferentWithoutLetters(t *testing.T) {
	for _, right := range []string{"", "----", "sk_live_", "0", "\x00\xff"} {
		value := secrets.NewValue([]byte(right))
		require.False(t, services.Wrong(services.Credential{"k": value}, "k")["k"].Equal(value))
	}
}

// The control must tell nothing about the secret: two of one value differ.
func TestWrongIsRandom(t *testing.T) {
	cred := services.Credential{"k": secrets.NewValue([]byte("sk_live_abcdefghijklmnop"))}
	require.False(t, services.Wrong(cred, "k")["k"].Equal(services.Wrong(cred, "k")["k"]))
}

func TestWrongOfAnUnknownEntryChangesNothing(t *testing.T) {
	cred := services.Credential{"k": secrets.NewValue([]byte("abc"))}
	require.True(t, services.Wrong(cred, "absent")["k"].Equal(cred["k"]))
	require.Len(t, services.Wrong(cred, "absent"), 1)
}
