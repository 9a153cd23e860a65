package rotation

import (
	"context"
	"fmt"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/proof"
)

// outdated are the plan's answers once a deployment has begun: they were about
// the value before, and nothing is known of what runs now until it is asked
// again.
func outdated(answers []ConsumerReport) []ConsumerReport {
	out := make([]ConsumerReport, 0, len(answers))
	for _, c := range answers {
		c.Detail = fmt.Sprintf("not asked since the deployment began; asked before it: %s", c.Answer)
		c.Answer = proof.Unknown
		out = append(out, c)
	}
	return out
}

// afterFailureTime bounds the questions after a deployment that failed.
const afterFailureTime = 20 * time.Second

// askAfterFailure asks every consumer once which value a failed deployment has
// left it with, for the report.
func (r *run) askAfterFailure(ctx context.Context, jobs []*job) {
	ctx, cancel := context.WithTimeout(ctx, afterFailureTime)
	defer cancel()
	for _, j := range jobs {
		j.report.Consumers = merge(j.report.Consumers, consumers(r.Asker.AskAll(ctx, r.questions(j, j.goal(), true))))
	}
}
