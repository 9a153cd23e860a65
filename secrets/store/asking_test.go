package store_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// Whoever draws on the terminal is told while gpg may ask there, and only then.
func TestItIsToldWhenAPassphraseMayBeAskedFor(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"a": "1\n"})
	var now, times atomic.Int32
	o := f.Options()
	o.Asking = func() func() {
		now.Add(1)
		times.Add(1)
		return func() { now.Add(-1) }
	}
	_, err := f.Open(o).Read(t.Context(), "a")
	require.NoError(t, err)
	require.Zero(t, times.Load(), "nobody is there to be asked")

	o.Interactive = true
	s := f.Open(o)
	_, err = s.Read(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, int32(1), times.Load())
	require.Zero(t, now.Load())
	require.NoError(t, s.Write(t.Context(), "", change("a", "2\n")))
	require.Equal(t, int32(3), times.Load(), "reading back, and signing the commit")
	require.Zero(t, now.Load())
}
