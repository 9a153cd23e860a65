package cli

import (
	"fmt"
	"io"

	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
)

// unstated is the number of instances for which the plan says what is missed where
// the catalog states none.
const unstated = 5

// printLimits says what the proof of a plan's consumers cannot show. Two rows of
// answers are asked before the old value is revoked.
func printLimits(out io.Writer, s rotation.SecretPlan) {
	for _, p := range s.Proofs {
		n, hint := p.Instances, ""
		if n == 0 {
			n, hint = unstated, "; instances: N in its probe lengthens the row"
		}
		if n > 1 {
			_, _ = fmt.Fprintf(out, "  limit: %s gives 2 rows of %d answers; 1 stale instance of %d is missed in %s of rotations%s\n", p.Consumer, p.Answers, n, percent(proof.Miss(n, 2*p.Answers)), hint)
		}
	}
	for _, name := range s.Works {
		_, _ = fmt.Fprintf(out, "  limit: %s proves that it works, not with which value; if it still uses the old one, it stops at the revocation\n", name)
	}
}

func percent(p float64) string {
	if p < 0.001 {
		return "less than 0.1 %"
	}
	return fmt.Sprintf("%.1f %%", 100*p)
}
