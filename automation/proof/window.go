package proof

import (
	"context"
	"sync"
	"time"
)

// Window says how long and how often consumers are asked. One match proves one
// instance at one moment; several in a row over longer than a change takes to
// reach every instance prove the roll-out (failures 36, 63).
type Window struct {
	// Answers is how many matches in a row are wanted.
	Answers int
	// Every is the time between two questions to one consumer.
	Every time.Duration
	// Limit is how long a consumer may take until its first full row.
	Limit time.Duration
}

// AskAll asks every question side by side, once each. Results come in the
// questions' order.
func (a *Asker) AskAll(ctx context.Context, questions []Question) []Result {
	return a.Watch(ctx, Window{Answers: 1}, questions, nil)
}

// longest is how many times as long a row may get for a consumer that falls back.
const longest = 8

// Watch asks every question side by side until each consumer has given
// w.Answers good answers in a row or w.Limit is over. each is told every
// answer as it comes; it may be nil and must be safe for parallel use.
func (a *Asker) Watch(ctx context.Context, w Window, questions []Question, each func(Result)) []Result {
	results := make([]Result, len(questions))
	var wg sync.WaitGroup
	for i, q := range questions {
		wg.Go(func() { results[i] = a.row(ctx, w, q, each) })
	}
	wg.Wait()
	return results
}

// row asks one consumer until its answers are good w.Answers times in a row.
func (a *Asker) row(ctx context.Context, w Window, q Question, each func(Result)) Result {
	deadline := time.Now().Add(w.Limit)
	for good, want := 0, w.Answers; ; {
		r := a.Ask(ctx, q)
		if each != nil {
			each(r)
		}
		if r.Answer == Match || r.Answer == Present {
			good++
		} else {
			// A consumer that falls back was not through: old and new instances
			// answer in turn, and luck must not pass for a row.
			if good > 0 {
				want = min(2*want, longest*w.Answers)
			}
			good = 0
		}
		// A row that has begun may end: slow answers are not wrong ones.
		if good >= want || good == 0 && !time.Now().Before(deadline) {
			return settled(r, good, want)
		}
		wait := time.NewTimer(w.Every)
		select {
		case <-ctx.Done():
			wait.Stop()
			return settled(r, good, want)
		case <-wait.C:
		}
	}
}

// settled refuses a last answer that is good but was cut off before its row was
// complete.
func settled(r Result, good, want int) Result {
	if good > 0 && good < want {
		r.Answer, r.Detail = Unknown, "it could not be asked often enough"
	}
	return r
}
