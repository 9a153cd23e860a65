package drift

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Every answer is counted as what it is; a proof that is not known proves nothing.
func TestCopiesAreCountedApart(t *testing.T) {
	var n Copies
	for _, c := range []Consumer{
		{Proof: "exact", Answer: "match"}, {Proof: "works", Answer: "match"}, {Proof: "configured", Answer: "match"}, {Proof: "present", Answer: "present"},
		{Proof: "exact", Answer: "differs"}, {Proof: "configured", Answer: "differs"}, {Proof: "works", Answer: "unreachable"}, {Proof: "exact"}, {Proof: "guess", Answer: "match"},
	} {
		n.count(c)
	}
	require.Equal(t, Copies{Total: 9, Exact: 1, Works: 1, Configured: 1, NameOnly: 1, Differs: 2, Unproven: 3}, n)
}
