package hosted_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// with is base with some values changed.
func with(base map[string]string, changes ...string) map[string]string {
	out := maps.Clone(base)
	for i := 0; i < len(changes); i += 2 {
		out[changes[i]] = changes[i+1]
	}
	return out
}

func badges() map[string]string {
	return map[string]string{
		"CLERK_SECRET_KEY": "canary-clerk-1", "SIGHTENGINE_API_USER": "canary-user-1", "SIGHTENGINE_API_SECRET": "canary-secret-1",
	}
}

// The life of a stack under the real engine: create, nothing to do, a pair
// rotated, out of the catalog, another Worker.
func TestEngineWritesEachWorkerOnce(t *testing.T) {
	t.Parallel()
	values := badges()
	l := newLab(t, "badges-worker", values)
	require.Equal(t, map[string]int{"create": 3}, l.preview(t))
	require.Empty(t, l.written(), "a preview writes nothing")

	steps, s, err := l.up(t, writeSet("badges-worker", values))
	require.NoError(t, err)
	require.Equal(t, map[string]int{"create": 3}, steps)
	names := slices.Sorted(maps.Keys(values))
	require.Equal(t, []bulk{{"badges-worker", names}}, l.written())
	require.Equal(t, map[string][]string{"badges-worker": names}, s.Written())
	require.Equal(t, values, l.secretsOf("badges-worker"))
	require.Equal(t, on("badges-worker", values), l.state(t))

	steps, s, err = l.up(t, writeSet("badges-worker", values))
	require.NoError(t, err)
	require.Equal(t, map[string]int{"same": 3}, steps)
	require.Empty(t, l.written(), "unchanged: no request")
	require.Empty(t, s.Written())

	values = with(values, "SIGHTENGINE_API_USER", "canary-user-2", "SIGHTENGINE_API_SECRET", "canary-secret-2")
	l.configure(t, values)
	require.Equal(t, map[string]int{"update": 2, "same": 1}, l.preview(t))
	pair := with(values)
	delete(pair, "CLERK_SECRET_KEY")
	steps, s, err = l.up(t, writeSet("badges-worker", pair))
	require.NoError(t, err)
	require.Equal(t, map[string]int{"update": 2, "same": 1}, steps, "in place: nothing is replaced")
	require.Equal(t, []bulk{{"badges-worker", []string{"SIGHTENGINE_API_SECRET", "SIGHTENGINE_API_USER"}}}, l.written())
	require.Equal(t, values, l.secretsOf("badges-worker"))
	require.Len(t, s.Written()["badges-worker"], 2)

	left := with(values)
	delete(left, "CLERK_SECRET_KEY")
	l.declare(t, "badges-worker", left)
	_, _, err = l.up(t)
	require.NoError(t, err)
	require.Equal(t, on("badges-worker", left), l.state(t))
	require.Equal(t, values, l.secretsOf("badges-worker"), "out of the catalog, still at the Worker")

	l.declare(t, "other-worker", left)
	_, _, err = l.up(t, writeSet("other-worker", left))
	require.NoError(t, err)
	require.Equal(t, on("other-worker", left), l.state(t))
	require.Equal(t, []bulk{{"other-worker", slices.Sorted(maps.Keys(left))}}, l.written())
	require.Equal(t, left, l.secretsOf("other-worker"))
	require.Equal(t, values, l.secretsOf("badges-worker"), "the Worker that was left keeps its secrets")

	require.NoError(t, l.takeDown(t))
	require.Equal(t, left, l.secretsOf("other-worker"))
	require.Empty(t, l.written())
	require.Empty(t, l.log.String(), "RetainOnDelete: no Delete ever reached the provider")
}

func TestEngineRepairsAFailedWrite(t *testing.T) {
	t.Parallel()
	values := badges()
	l := newLab(t, "badges-worker", values)
	_, _, err := l.up(t, writeSet("badges-worker", values))
	require.NoError(t, err)
	l.written()

	next := with(values, "SIGHTENGINE_API_USER", "canary-user-2", "SIGHTENGINE_API_SECRET", "canary-secret-2")
	l.configure(t, next)
	l.setFail(errors.New("service unavailable (503)"))
	_, s, err := l.up(t, writeSet("badges-worker", next))
	require.ErrorContains(t, err, "writing the 3 planned secrets of Worker badges-worker: service unavailable (503)")
	require.ErrorContains(t, s.Failed()["badges-worker"], "503")
	require.Len(t, l.written(), 1, "two updates failed, one request was made")
	require.Equal(t, on("badges-worker", values), l.state(t), "the state says what the Worker has")
	require.Equal(t, values, l.secretsOf("badges-worker"))

	l.setFail(nil)
	steps, s, err := l.up(t, writeSet("badges-worker", next))
	require.NoError(t, err)
	require.Equal(t, map[string]int{"update": 2, "same": 1}, steps)
	require.Len(t, l.written(), 1)
	require.Len(t, s.Written()["badges-worker"], 3)
	require.Equal(t, next, l.secretsOf("badges-worker"))
}

// The first up over a Worker that was set by hand.
func TestEngineAdoptsWhatIsThere(t *testing.T) {
	t.Parallel()
	values := badges()
	l := newLab(t, "badges-worker", values)
	l.set("badges-worker", with(values, "CLERK_SECRET_KEY", "canary-clerk-0"))
	adopt := with(values)
	delete(adopt, "CLERK_SECRET_KEY")
	set := writeSet("badges-worker", map[string]string{"CLERK_SECRET_KEY": "canary-clerk-1"})
	set.Adopt = sealed(adopt)
	steps, s, err := l.up(t, set)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"create": 3}, steps)
	require.Equal(t, []bulk{{"badges-worker", []string{"CLERK_SECRET_KEY"}}}, l.written(), "only what is rotated is written")
	require.Equal(t, map[string][]string{"badges-worker": slices.Sorted(maps.Keys(adopt))}, s.Adopted())
	require.Equal(t, values, l.secretsOf("badges-worker"))
	require.Equal(t, on("badges-worker", values), l.state(t))

	missing := newLab(t, "badges-worker", values)
	missing.set("badges-worker", map[string]string{"CLERK_SECRET_KEY": "canary-clerk-0"})
	_, _, err = missing.up(t, set)
	require.ErrorContains(t, err, "the Worker does not list it")
}

// Somebody changed the config between the plan and the up.
func TestEngineCannotWriteWhatIsNotPlanned(t *testing.T) {
	t.Parallel()
	values := badges()
	l := newLab(t, "badges-worker", values)
	l.configure(t, with(values, "CLERK_SECRET_KEY", "canary-foreign"))
	plan := map[string]string{"CLERK_SECRET_KEY": "canary-clerk-1"}
	_, _, err := l.up(t, writeSet("badges-worker", plan))
	require.ErrorContains(t, err, "the value is not the planned one")
	require.ErrorContains(t, err, "it is not part of the plan")
	require.Empty(t, l.written())
	require.Empty(t, l.secretsOf("badges-worker"))
	require.Empty(t, l.state(t))
}

func TestEngineWritesAHundredAtOnce(t *testing.T) {
	t.Parallel()
	values := map[string]string{}
	for i := range 100 {
		values[fmt.Sprintf("KEY_%03d", i)] = fmt.Sprintf("canary-%03d-1", i)
	}
	l := newLab(t, "badges-worker", values)
	for round := range 2 {
		if round == 1 {
			for name := range values {
				values[name] += "-next"
			}
			l.configure(t, values)
		}
		steps, s, err := l.up(t, writeSet("badges-worker", values))
		require.NoError(t, err)
		require.Equal(t, map[string]int{[]string{"create", "update"}[round]: 100}, steps)
		require.Len(t, l.written(), 1)
		require.Len(t, s.Written()["badges-worker"], 100)
		require.Equal(t, values, l.secretsOf("badges-worker"))
		require.Equal(t, on("badges-worker", values), l.state(t))
	}
}

// A state without the flag, as the official provider may have left it, and the
// secret out of the catalog: the engine does ask for the deletion.
func TestEngineDeletesNothingWithoutTheFlagEither(t *testing.T) {
	t.Parallel()
	values := badges()
	l := newLab(t, "badges-worker", values)
	_, _, err := l.up(t, writeSet("badges-worker", values))
	require.NoError(t, err)
	l.dropRetainOnDelete(t)
	left := with(values)
	delete(left, "CLERK_SECRET_KEY")
	l.declare(t, "badges-worker", left)
	_, _, err = l.up(t, hosted.Set{Account: account, Worker: "badges-worker"})
	require.NoError(t, err)
	require.Equal(t, values, l.secretsOf("badges-worker"))
	require.Contains(t, l.log.String(), `secret "CLERK_SECRET_KEY" leaves the state and stays at Worker "badges-worker"`)
}
