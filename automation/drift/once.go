package drift

import (
	"sync"

	"github.com/sanmarcsoft/secret-rotation/automation/fault"
)

// once reads something the first time that somebody asks for it. Reading that ends
// in a fault ends so for everybody who asks: none of them gets a value that is not
// there.
type once[T any] struct {
	first sync.Once
	value T
	fault error
}

func (o *once[T]) get(f func() T) T {
	o.first.Do(func() {
		o.fault = fault.Catch(func() error { o.value = f(); return nil })
	})
	if o.fault != nil {
		panic(o.fault)
	}
	return o.value
}
