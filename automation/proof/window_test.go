package proof

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

func TestARowIsAsLongAsItsInstancesNeed(t *testing.T) {
	for instances, want := range map[int]int{0: 0, 1: 0, 2: 4, 5: 11, 10: 22, 20: 45} {
		require.Equal(t, want, Row(instances), instances)
		if want > 0 {
			require.LessOrEqual(t, Miss(instances, want), missed)
			require.Greater(t, Miss(instances, want-1), missed)
		}
	}
	require.InDelta(t, 0.018, Miss(5, 6), 0.001)
	require.InDelta(t, 0.40, Miss(20, 6), 0.01)
}

// The question's own row counts where it is longer, and not for a single question.
func TestAQuestionsOwnRow(t *testing.T) {
	var calls atomic.Int64
	q := attestQuestion(runsWith(t, func() services.Credential { calls.Add(1); return newPair }), newPair)
	q.Row = 7
	r := asker().Watch(t.Context(), Window{Answers: 3, Every: time.Microsecond, Limit: time.Minute}, []Question{q}, nil)[0]
	require.Equal(t, Match, r.Answer)
	require.Equal(t, 7, r.Answers)
	require.False(t, r.Stale)
	require.EqualValues(t, 7*burst, calls.Load())
	require.Equal(t, 1, asker().AskAll(t.Context(), []Question{q})[0].Answers)
}

// One stale instance among those that answer is told, also where the row is full in
// the end.
func TestAStaleInstanceIsTold(t *testing.T) {
	var calls atomic.Int64
	address := runsWith(t, func() services.Credential {
		if calls.Add(1) == burst+1 {
			return oldPair
		}
		return newPair
	})
	r := asker().Watch(t.Context(), Window{Answers: 3, Every: time.Microsecond, Limit: time.Minute}, []Question{attestQuestion(address, newPair)}, nil)[0]
	require.Equal(t, Match, r.Answer)
	require.True(t, r.Stale)
	require.Equal(t, 6, r.Answers, "the row is doubled")
}
