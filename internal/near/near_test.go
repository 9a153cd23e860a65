package near

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNear: a slip is understood, another word is not.
func TestNear(t *testing.T) {
	known := []string{"cloudflare", "scaleway", "clerk", "clerk-test", "stripe", "sightengine"}
	for name, want := range map[string]string{
		"strip": "stripe", "stirpe": "stripe", "Stripe": "stripe", "stripes": "stripe", "sight": "sightengine", "cler": "clerk",
		"scalway": "scaleway", "cloudflair": "cloudflare", "clerk-tset": "clerk-test", "paypal": "", "": "", "x": "", "github": "",
	} {
		require.Equal(t, want, Nearest(name, known), name)
	}
}
