//go:build slow

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The check reads state and journal in a bucket as it does in a folder: nothing to
// find after a rotation, then what was taken out of the journal and a foreign value
// in a stack's config. Nothing is written.
func TestS3StateIsCheckedForDrift(t *testing.T) {
	w := worldOnS3(t)
	w.must("rotate", "--secret", "stripe", "--yes")
	c := w.drift()
	require.Zero(t, c.code, c.stderr)
	require.Equal(t, "clean", c.Answer)
	require.Empty(t, c.keys(false))

	w.must("sandbox", "tamper", "journal-lost", "stripe")
	w.must("sandbox", "tamper", "config-edited", "infra", "scaleway-secret-key", "11111111-2222-4333-8444-555555555555")
	c = w.drift()
	require.Equal(t, 3, c.code, c.stderr)
	require.Contains(t, c.keys(false), "foreign-change:journal/stripe")
	require.Contains(t, c.keys(false), "value-differs:scaleway/infra/scaleway-secret-key")
}
