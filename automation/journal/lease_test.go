package journal

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// foreign writes a claim as a process on another host would have.
func foreign(t *testing.T, dir, name string, number int, until time.Time) {
	t.Helper()
	c := claim{Format: Format, Number: number, Name: name, Holder: Holder{User: "eve", Host: "elsewhere", PID: 7}, Since: until.Add(-leaseTime), Until: until}
	data, err := json.Marshal(c)
	require.NoError(t, err)
	file := filepath.Join(dir, claimKey(name, number))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, data, 0o600))
}

func TestOneOfManyGetsAnOverlappingLease(t *testing.T) {
	dir := t.TempDir()
	sets := [][]string{{"clerk", "stack badges", "stack backend"}, {"stripe", "stack backend"}, {"sightengine", "stack badges", "stack backend"}}
	for range 20 {
		var wg sync.WaitGroup
		leases, errs := make([]*Lease, len(sets)), make([]error, len(sets))
		for i, names := range sets {
			wg.Go(func() { leases[i], errs[i] = InDir(dir).Acquire(t.Context(), names...) })
		}
		wg.Wait()
		won := 0
		for i := range sets {
			if errs[i] == nil {
				won++
				require.NoError(t, leases[i].Check())
				require.NoError(t, leases[i].Release(t.Context()))
				continue
			}
			var held *HeldError
			require.ErrorAs(t, errs[i], &held)
			require.Equal(t, Self(), held.Holder)
		}
		require.Equal(t, 1, won)
	}
	// Nothing is left held, and old claims do not pile up.
	require.NoError(t, InDir(dir).Holding(t.Context(), "clerk", "stripe", "stack backend"))
	found, err := os.ReadDir(filepath.Join(dir, leases, "stack backend"))
	require.NoError(t, err)
	require.Less(t, len(found), 8)
}

func TestALivingHolderElsewhereIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	j := InDir(dir)
	until := time.Now().Add(time.Minute)
	foreign(t, dir, "clerk", 1, until)
	var held *HeldError
	require.ErrorAs(t, j.Holding(t.Context(), "clerk"), &held)
	require.Equal(t, "elsewhere", held.Holder.Host)
	_, err := j.Acquire(t.Context(), "clerk")
	require.ErrorAs(t, err, &held)

	// Its time is over, but a request that it had begun may still be under way.
	j.now = func() time.Time { return until.Add(leasePatience - time.Second) }
	require.ErrorAs(t, j.Holding(t.Context(), "clerk"), &held)
	j.now = func() time.Time { return until.Add(leasePatience + time.Second) }
	lease, err := j.Acquire(t.Context(), "clerk")
	require.NoError(t, err)
	require.NoError(t, lease.Release(t.Context()))
}

func TestAHolderThatSleptStopsByItsOwnClock(t *testing.T) {
	j := InDir(t.TempDir())
	lease, err := j.Acquire(t.Context(), "clerk")
	require.NoError(t, err)
	require.NoError(t, lease.Check())
	lease.mu.Lock()
	j.now = func() time.Time { return time.Now().Add(leaseTime + time.Second) }
	lease.mu.Unlock()
	require.ErrorIs(t, lease.Check(), ErrExpired)
	require.NoError(t, lease.Release(t.Context()))
}

func TestAStolenLeaseStopsItsHolder(t *testing.T) {
	dir := t.TempDir()
	lease, err := InDir(dir).Acquire(t.Context(), "clerk")
	require.NoError(t, err)
	foreign(t, dir, "clerk", 2, time.Now().Add(time.Minute))
	require.False(t, lease.again(t.Context()))
	var held *HeldError
	require.ErrorAs(t, lease.Check(), &held)
	require.Equal(t, "elsewhere", held.Holder.Host)
	// It does not release what is not its own any more.
	require.NoError(t, lease.Release(t.Context()))
	require.ErrorAs(t, InDir(dir).Holding(t.Context(), "clerk"), &held)
}

func TestRenewalKeepsTheLease(t *testing.T) {
	dir := t.TempDir()
	j := InDir(dir)
	lease, err := j.Acquire(t.Context(), "clerk", "stack badges")
	require.NoError(t, err)
	for range 5 {
		require.True(t, lease.again(t.Context()))
		require.NoError(t, lease.Check())
	}
	last, err := j.claimed(t.Context(), "clerk")
	require.NoError(t, err)
	require.Equal(t, 6, last.Number)
	require.NoError(t, lease.Release(t.Context()))
	require.NoError(t, j.Holding(t.Context(), "clerk", "stack badges"))
}

// A writer that stood still while others took and cleared numbers must not
// think that an old free number is the newest.
func TestASlowWriterOfAnOldNumberHasNoLease(t *testing.T) {
	dir := t.TempDir()
	j := InDir(dir)
	foreign(t, dir, "clerk", 9, time.Now().Add(time.Minute))
	_, err := j.claim(t.Context(), claim{Number: 6, Name: "clerk", Since: time.Now()})
	var held *HeldError
	require.True(t, errors.As(err, &held), "%v", err)
	require.Equal(t, "elsewhere", held.Holder.Host)
}

func TestALeaseThatCannotBeReadIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	foreign(t, dir, "clerk", 1, time.Now())
	require.NoError(t, os.WriteFile(filepath.Join(dir, claimKey("clerk", 1)), []byte("{"), 0o600))
	_, err := InDir(dir).Acquire(t.Context(), "clerk")
	var held *HeldError
	require.ErrorAs(t, err, &held)
	require.NotEmpty(t, held.Unreadable)
	require.WithinDuration(t, time.Now().Add(leaseTime+leasePatience), held.Free, time.Minute)
}

// again is a store that loses the answer of a write and tries it once more.
type again struct{ objects }

func (a again) create(ctx context.Context, key string, data []byte) error {
	if err := a.objects.create(ctx, key, data); err != nil {
		return err
	}
	return a.objects.create(ctx, key, data)
}

func TestAWriteThatWasTriedTwiceIsOurOwn(t *testing.T) {
	dir := t.TempDir()
	j := InDir(dir)
	j.store = again{j.store}
	log, err := j.Open(t.Context(), "clerk")
	require.NoError(t, err)
	require.NoError(t, log.Append(t.Context(), Event{Rotation: "r", State: Planned}))
	require.NoError(t, log.Append(t.Context(), Event{Rotation: "r", State: Staging}))
	lease, err := j.Acquire(t.Context(), "clerk")
	require.NoError(t, err)
	require.NoError(t, lease.Release(t.Context()))

	// Somebody else's is not.
	other, err := InDir(dir).Open(t.Context(), "clerk")
	require.NoError(t, err)
	require.NoError(t, other.Append(t.Context(), Event{Rotation: "theirs", State: Planned}))
	var taken *TakenError
	require.ErrorAs(t, log.Append(t.Context(), Event{Rotation: "r", State: Pretest}), &taken)
	require.Equal(t, "theirs", taken.Winner.Rotation)
}

func TestOnlyAHoldIsTakenUp(t *testing.T) {
	dir := t.TempDir()
	log, err := InDir(dir).Open(t.Context(), "clerk")
	require.NoError(t, err)
	require.NoError(t, log.Append(t.Context(), Event{Rotation: "r", State: Staging, Step: "a"}))
	other, err := InDir(dir).Open(t.Context(), "clerk")
	require.NoError(t, err)
	held := other.Last()
	held.Step, held.Hold = StepHold, &Hold{By: "eve"}
	require.NoError(t, other.Append(t.Context(), held))

	only, err := log.Held(t.Context())
	require.NoError(t, err)
	require.True(t, only)
	require.Equal(t, "eve", log.Last().Hold.By)
	require.NoError(t, log.Append(t.Context(), Event{Rotation: "r", State: Pretest, Step: "b"}))

	_, err = other.Held(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, other.Last().Number, "a step of somebody's rotation is not taken up")
	_, err = log.Events(t.Context())
	require.NoError(t, err, "the chain is whole")
}
