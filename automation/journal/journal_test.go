package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// stores runs a test on both kinds of backend.
func stores(t *testing.T, test func(t *testing.T, j *Journal)) {
	t.Run("folder", func(t *testing.T) { test(t, InDir(t.TempDir())) })
	t.Run("bucket", func(t *testing.T) {
		b := memblob.OpenBucket(nil)
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		test(t, InBucket(func() *blob.Bucket { return b }))
	})
}

func TestAppendedEventsAreReadBackInOrder(t *testing.T) {
	stores(t, func(t *testing.T, j *Journal) {
		l, err := j.Open(t.Context(), "stripe")
		require.NoError(t, err)
		require.Zero(t, l.Last().Number)
		for _, s := range []State{Planned, Staging, Done} {
			require.NoError(t, l.Append(t.Context(), Event{Rotation: "r1", State: s, Entries: map[string]Move{"secret-key": {To: "ab"}}}))
		}
		again, err := j.Open(t.Context(), "stripe")
		require.NoError(t, err)
		require.Equal(t, Done, again.Last().State)
		require.Equal(t, 3, again.Last().Number)
		events, err := again.Events(t.Context())
		require.NoError(t, err)
		require.Len(t, events, 3)
		require.Equal(t, secrets.Fingerprint("ab"), events[1].Entries["secret-key"].To)
		require.Equal(t, os.Getpid(), events[0].Holder.PID)
	})
}

func TestTheLoserOfANumberLearnsWhoWon(t *testing.T) {
	stores(t, func(t *testing.T, j *Journal) {
		first, err := j.Open(t.Context(), "clerk")
		require.NoError(t, err)
		second, err := j.Open(t.Context(), "clerk")
		require.NoError(t, err)
		require.NoError(t, first.Append(t.Context(), Event{Rotation: "first", State: Planned}))
		err = second.Append(t.Context(), Event{Rotation: "second", State: Planned})
		var taken *TakenError
		require.ErrorAs(t, err, &taken)
		require.Equal(t, "first", taken.Winner.Rotation)
		require.Zero(t, second.Last().Number, "the loser's view must not move on")
	})
}

func TestDamageIsNeverReadAsHistory(t *testing.T) {
	break_ := map[string]func(t *testing.T, dir string){
		"truncated":     func(t *testing.T, dir string) { require.NoError(t, os.Truncate(filepath.Join(dir, "000002.json"), 40)) },
		"middle absent": func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "000001.json"))) },
		"unknown field": func(t *testing.T, dir string) { edit(t, dir, `"secret"`, `"new": 1, "secret"`) },
		"other format":  func(t *testing.T, dir string) { edit(t, dir, `"format": 1`, `"format": 2`) },
		"other secret":  func(t *testing.T, dir string) { edit(t, dir, `"stripe"`, `"clerk"`) },
		"foreign file": func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.json"), nil, 0o600))
		},
	}
	for name, damage := range break_ {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := InDir(dir)
			l, err := j.Open(t.Context(), "stripe")
			require.NoError(t, err)
			require.NoError(t, l.Append(t.Context(), Event{State: Planned}))
			require.NoError(t, l.Append(t.Context(), Event{State: Staging}))
			damage(t, filepath.Join(dir, Root, "stripe"))
			_, err = j.Open(t.Context(), "stripe")
			var damaged *DamagedError
			require.ErrorAs(t, err, &damaged)
		})
	}
}

// edit changes the newest event's object.
func edit(t *testing.T, dir, old, new string) {
	name := filepath.Join(dir, "000002.json")
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Contains(t, string(data), old)
	require.NoError(t, os.WriteFile(name, []byte(strings.Replace(string(data), old, new, 1)), 0o600))
}

func TestARewrittenEventBreaksTheChain(t *testing.T) {
	dir := t.TempDir()
	j := InDir(dir)
	l, err := j.Open(t.Context(), "stripe")
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, l.Append(t.Context(), Event{State: Planned, Step: "a"}))
	}
	edit(t, filepath.Join(dir, Root, "stripe"), `"step": "a"`, `"step": "b"`)
	_, err = l.Events(t.Context())
	var damaged *DamagedError
	require.ErrorAs(t, err, &damaged)
	require.Contains(t, damaged.Object, "000003")
}

const raceDir, raceName = "JOURNAL_RACE_DIR", "JOURNAL_RACE_NAME"

// TestOneWinnerBetweenProcesses races real processes for the same numbers: the
// guarantee that gocloud's file bucket does not give.
func TestOneWinnerBetweenProcesses(t *testing.T) {
	if dir := os.Getenv(raceDir); dir != "" {
		raceChild(t, dir, os.Getenv(raceName))
		return
	}
	dir := t.TempDir()
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestOneWinnerBetweenProcesses$")
			cmd.Env = append(os.Environ(), raceDir+"="+dir, fmt.Sprintf("%s=p%d", raceName, i))
			if out, err := cmd.CombinedOutput(); err != nil {
				errs[i] = fmt.Errorf("%w: %s", err, out)
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	l, err := InDir(dir).Open(t.Context(), "race")
	require.NoError(t, err)
	events, err := l.Events(t.Context())
	require.NoError(t, err)
	wins := 0
	for i := range 4 {
		data, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("p%d.wins", i)))
		require.NoError(t, err)
		wins += len(data)
	}
	require.Len(t, events, wins, "every append that reported success must be in the log")
	require.Len(t, events, 100)
}

func raceChild(t *testing.T, dir, name string) {
	ctx, wins := context.Background(), ""
	for {
		l, err := InDir(dir).Open(ctx, "race")
		require.NoError(t, err)
		if l.Last().Number >= 100 {
			break
		}
		err = l.Append(ctx, Event{Rotation: name, State: Planned})
		var taken *TakenError
		if err == nil {
			wins += "x"
		} else {
			require.ErrorAs(t, err, &taken)
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".wins"), []byte(wins), 0o600))
}

func TestHolderIsDeadOnlyWhenProven(t *testing.T) {
	self := Self()
	require.False(t, self.Dead())
	other := self
	other.Host = "elsewhere"
	other.PID = 1 << 22
	require.False(t, other.Dead(), "another host's process cannot be looked up")
	rebooted := self
	rebooted.BootID = "another-boot"
	require.Equal(t, self.Machine != "", rebooted.Dead(), "rebooted, unless it may be another machine of this name")
	namesake := rebooted
	namesake.Machine = "another"
	require.Equal(t, self.Machine == "", namesake.Dead() || self.Machine == "", "another machine of this name")
	contained := self
	contained.Namespace, contained.PID, contained.Started = "pid:[1]", 1<<22, ""
	require.Equal(t, self.Namespace == "", contained.Dead(), "a container's process ids mean nothing here")
	reused := self
	reused.Started = "1"
	require.True(t, reused.Dead(), "same id, another process")

	cmd := exec.Command("sleep", "600")
	require.NoError(t, cmd.Start())
	child := self
	child.PID, child.Started = cmd.Process.Pid, startTime(cmd.Process.Pid)
	require.False(t, child.Dead())
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.True(t, child.Dead())
}

func FuzzDecode(f *testing.F) {
	data, err := Event{Format: Format, Number: 1, Secret: "stripe", State: Planned}.encode()
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"format":1}{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decode(data)
		if err != nil {
			return
		}
		again, err := e.encode()
		require.NoError(t, err)
		_, err = decode(again)
		require.NoError(t, err)
	})
}
