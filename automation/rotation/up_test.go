package rotation

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// A lock that cannot be taken away is told at the end, and is no success.
func TestALockThatStaysIsTold(t *testing.T) {
	var notes upNotes
	notes.note("a", nil, nil)
	require.NoError(t, notes.lockedError())
	denied := errors.New("AccessDenied")
	notes.note("b", []string{"w"}, denied)
	err := notes.lockedError()
	requireReason(t, err, Untold)
	require.ErrorIs(t, err, denied)
	require.ErrorContains(t, err, "stack b")
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Contains(t, e.Next, "go run . doctor")
}

// What a consumer answered about the value before a deployment is no answer about
// the one after it.
func TestAnswersFromBeforeADeploymentAreNotShownAsFine(t *testing.T) {
	before := []ConsumerReport{{Name: "shop", Kind: "config", Proof: "exact", Answer: proof.Match, Detail: "it has this value"}}
	after := outdated(before)
	require.Equal(t, proof.Unknown, after[0].Answer)
	require.Contains(t, after[0].Detail, "asked before it: match")
	require.Equal(t, proof.Match, before[0].Answer)
	again := merge(after, []ConsumerReport{{Name: "shop", Answer: proof.Differs}})
	require.Equal(t, proof.Differs, again[0].Answer)
}

func TestAConsumersAnswerIsSaidWithWhatItsUpWarnedOf(t *testing.T) {
	r := &run{}
	j := &job{log: &journal.Log{}, secret: secrets.Secret{Consumers: []secrets.Consumer{{Name: "shop", Stack: "a"}, {Name: "reader"}}}}
	require.Empty(t, r.warned(j, "shop"))
	r.ups.note("a", []string{"status is error: exit 3"}, nil)
	require.Contains(t, r.warned(j, "shop"), "status is error: exit 3")
	require.Empty(t, r.warned(j, "reader"))
}
