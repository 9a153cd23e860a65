package engine

// LimitSlots has the engine run so many CLIs at once.
func (e *Engine) LimitSlots(n int) { e.slots = make(slots, n) }

// Slots is how many CLIs run at once with these processors and this free memory.
func Slots(cores int, memory uint64) int { return cap(newSlots(cores, memory)) }

// LeaveSpace has every disk of the engine's stacks so many bytes left.
func (e *Engine) LeaveSpace(n uint64) { e.freeSpace = func(string) (uint64, error) { return n, nil } }
