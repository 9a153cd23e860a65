package cli

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
)

// What only waits for its grace period is a success in words, and 6 in the code;
// what failed beside it is an error as ever.
func TestAGracePeriodIsNoError(t *testing.T) {
	grace := &rotation.Error{Reason: rotation.Waiting, Wait: rotation.ForTime, Secret: "acme", Detail: "promoted; the old value stays valid until tomorrow"}
	person := &rotation.Error{Reason: rotation.Waiting, Secret: "shop", Detail: "a person is waited for"}
	for _, c := range []struct {
		err   error
		red   bool
		lines []string
	}{
		{grace, false, []string{"✓ acme: promoted"}},
		{errors.Join(grace, nil), false, []string{"✓ acme: promoted"}},
		{person, true, []string{"error: shop: a person"}},
		{errors.Join(person, grace), true, []string{"✓ acme: promoted", "error: shop: a person"}},
	} {
		var out bytes.Buffer
		a := &app{env: Env{Stderr: &out, Stdout: &out}}
		require.Equal(t, exitWaiting, a.fail(a.command(), nil, c.err))
		require.Equal(t, c.red, bytes.Contains(out.Bytes(), []byte("error:")), out.String())
		for _, line := range c.lines {
			require.Contains(t, out.String(), line)
		}
	}
}
