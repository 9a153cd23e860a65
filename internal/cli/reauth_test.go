package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// A use without a successor would be a credential that is revoked under this
// program's own feet.
func TestEveryUseHasASuccessor(t *testing.T) {
	for _, use := range secrets.Uses() {
		require.Contains(t, successors, use)
	}
}
