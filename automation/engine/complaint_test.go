package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestComplaint(t *testing.T) {
	for tail, want := range map[string]string{
		"Diagnostics:\n  pulumi:pulumi:Stack (a-prod):\n    error: error in compiling Go: exit status 1\n    # reports\n    ./main.go:40:24: undefined: nobody\n": "error in compiling Go: exit status 1: ./main.go:40:24: undefined: nobody",
		" +  pulumi:pulumi:Stack a Error: error resolving type\n":          "error resolving type",
		"error: preview failed\n    error: \n      the provider says no\n": "the provider says no",
		"Resources:\n  1 errored":                                          "",
	} {
		require.Equal(t, want, complaint(tail))
	}
}
