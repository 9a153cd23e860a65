package proof

import (
	"context"
	"math"
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
	once := make([]Question, len(questions))
	for i, q := range questions {
		q.Row = 0
		once[i] = q
	}
	return a.Watch(ctx, Window{Answers: 1}, once, nil)
}

// longest is how many times as long a row may get for a consumer that falls back.
const longest = 8

// Longest is the longest row of a window: what a consumer has to give that was
// caught with old and new instances side by side.
func (w Window) Longest() int { return longest * w.Answers }

// missed is the stated probability that a row of Row's length meets no stale
// instance although there is one.
const missed = 0.001

// Row is how many answers in a row are needed where a balancer spreads requests
// evenly over so many instances, one of which may be stale. One answer is burst
// requests, each on a connection of its own, and each misses the stale instance
// with probability 1-1/N; so k answers miss it with (1-1/N)^(burst*k), and the row
// is the smallest k for which that is at most missed. 0: one instance, or none is
// stated.
func Row(instances int) int {
	if instances < 2 {
		return 0
	}
	requests := math.Log(missed) / math.Log(1-1/float64(instances))
	return int(math.Ceil(requests / burst))
}

// Miss is the probability that a stale instance of so many is met by none of this
// many answers.
func Miss(instances, answers int) float64 {
	return math.Pow(1-1/float64(instances), float64(burst*answers))
}

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

// row asks one consumer until its answers are good w.Answers times in a row, or as
// often as the question wants.
func (a *Asker) row(ctx context.Context, w Window, q Question, each func(Result)) Result {
	deadline := time.Now().Add(w.Limit)
	stale := false
	for good, want := 0, max(w.Answers, q.Row); ; {
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
				want = max(q.Row, min(2*want, w.Longest()))
				stale = stale || r.Answer == Differs || r.Answer == Unknown
			}
			good = 0
		}
		r.Answers, r.Stale = good, stale
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
