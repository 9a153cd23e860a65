package cli

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
)

// A key that lives and may not use the bucket is not dead: its date would be a lie.
func TestOnlyAnUnknownKeyIsDeadAtTheBackend(t *testing.T) {
	for cause, dead := range map[backend.Cause]bool{
		backend.WrongKey: true, backend.NotAllowed: false, backend.WrongClock: false, backend.NoBucket: false, backend.Unreachable: false,
	} {
		require.Equal(t, dead, refused(fmt.Errorf("listing: %w", &backend.S3Error{Cause: cause})), cause)
	}
	require.False(t, refused(errors.New("something else")))
}
