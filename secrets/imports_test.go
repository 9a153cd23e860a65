package secrets_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a secret is must not depend on how it is rolled out: a service's client
// or the catalog is tested in seconds, Pulumi's SDK takes minutes to build.
func TestSecretsImportsNoPulumi(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	packages := strings.Fields(string(out))
	require.Contains(t, packages, "github.com/goccy/go-yaml/parser")
	for _, name := range packages {
		require.NotContains(t, name, "pulumi")
		if own, ok := strings.CutPrefix(name, "github.com/sanmarcsoft/secret-rotation/"); ok {
			require.Equal(t, "secrets", own)
		}
	}
}
