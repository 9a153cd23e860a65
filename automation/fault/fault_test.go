package fault

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPanicIsAnErrorOfItsPart(t *testing.T) {
	err := Catch(func() error { panic("broken") })
	var at *Error
	require.ErrorAs(t, err, &at)
	require.Equal(t, "broken", at.Cause)
	require.Contains(t, string(at.Stack), "fault_test.go")
	require.NotContains(t, err.Error(), ".go:", "where it happened is in no message")
	require.NoError(t, Catch(func() error { return nil }))
	plain := errors.New("plain")
	require.Equal(t, plain, Catch(func() error { return plain }))
}

func TestWhoeverWaitsIsToldAfterAllHaveEnded(t *testing.T) {
	var g Group
	ended := make(chan struct{}, 2)
	g.Go(func() { panic("broken") })
	g.Go(func() { ended <- struct{}{} })
	g.Go(func() { ended <- struct{}{} })
	var at *Error
	require.ErrorAs(t, Catch(func() error { g.Wait(); return nil }), &at)
	require.Len(t, ended, 2)
	first := at.Stack
	require.ErrorAs(t, Catch(func() error { panic(at) }), &at)
	require.Equal(t, first, at.Stack, "passed on, it still says where it began")
}
