package services

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A value that a service quotes is only known to the redactor as a whole.
func TestPrintableCutsNoWord(t *testing.T) {
	secret := "sk_live_" + strings.Repeat("aB3", 30)
	for at := range 120 {
		text := Printable(strings.Repeat("x ", 100+at/2) + strings.Repeat("y", at%2) + secret + " and more " + strings.Repeat("z ", 200))
		require.True(t, strings.HasSuffix(text, "…"))
		require.True(t, strings.Contains(text, secret) || !strings.Contains(text, secret[:9]), text)
	}
	require.Equal(t, "short text", Printable("short\ntext"))
}
