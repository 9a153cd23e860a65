package rotation

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// An error names its secret once, also where its own sentence begins with it.
func TestAnErrorNamesItsSecretOnce(t *testing.T) {
	require.Equal(t, "mailgun is in its grace period", (&Error{Secret: "mailgun", Detail: "mailgun is in its grace period"}).Error())
	require.Equal(t, "mailgun: planning: no key", (&Error{Secret: "mailgun", Step: "planning", Err: errors.New("no key")}).Error())
	require.Equal(t, "mail: mailgun is its other name", (&Error{Secret: "mail", Detail: "mailgun is its other name"}).Error())
}
