package engine

import "context"

// What one CLI needs with what it starts: itself, the project's language host
// and a provider's plugin, each 60 to 150 MiB.
const cliMemory = 400 << 20

// perCore is how many CLIs keep a processor busy: they wait for services.
const perCore = 2

// slots bound how many CLIs run at once, whoever starts them: each takes one for
// its whole life.
type slots chan struct{}

// newSlots are as many as processors and free memory, in bytes, allow; memory 0
// is not known. There is always one.
func newSlots(cores int, memory uint64) slots {
	n := perCore * cores
	if memory > 0 {
		n = min(n, int(memory/cliMemory))
	}
	return make(slots, max(1, n))
}

// take waits for a slot; free gives it back.
func (s slots) take(ctx context.Context) (free func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
