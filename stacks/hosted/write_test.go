package hosted_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// any order, any parallelism, calls left out or repeated: one Bulk per Worker
// that was called for, with the whole set.
func TestOneBulkPerWorkerWhateverTheCalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCloud()
		plan := map[string]map[string]string{}
		var sets []hosted.Set
		var calls []func(context.Context, *engine) error
		want := map[string][]string{}
		for w := range rapid.IntRange(1, 3).Draw(t, "workers") {
			worker := fmt.Sprintf("worker-%d", w)
			plan[worker] = map[string]string{}
			for n := range rapid.IntRange(1, 12).Draw(t, "secrets") {
				name, text := fmt.Sprintf("NAME_%d", n), rapid.StringN(1, 40, 60).Draw(t, "text")
				plan[worker][name] = text
				for range rapid.IntRange(0, 2).Draw(t, "calls") {
					want[worker] = nil
					if rapid.Bool().Draw(t, "create") {
						calls = append(calls, func(ctx context.Context, e *engine) error {
							_, err := e.create(ctx, t, worker, name, text)
							return err
						})
					} else {
						calls = append(calls, func(ctx context.Context, e *engine) error {
							_, err := e.update(ctx, t, worker, name, text+"-old", text)
							return err
						})
					}
				}
			}
			sets = append(sets, writeSet(worker, plan[worker]))
		}
		for worker := range want {
			want[worker] = slices.Sorted(maps.Keys(plan[worker]))
		}
		s, err := hosted.Serve(context.Background(), hosted.Config{Sets: sets, Writer: c})
		require.NoError(t, err)
		e := connect(t, s)
		defer e.hangUp()

		calls = rapid.Permutation(calls).Draw(t, "order")
		parallel := rapid.IntRange(1, 8).Draw(t, "parallel")
		errs := make([]error, len(calls))
		var wg sync.WaitGroup
		for lane := range parallel {
			wg.Go(func() {
				for i := lane; i < len(calls); i += parallel {
					errs[i] = calls[i](context.Background(), e)
				}
			})
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, want, s.Written())
		got := map[string][]string{}
		for _, b := range c.written() {
			require.NotContains(t, got, b.worker, "a second Bulk for one Worker")
			got[b.worker] = b.names
		}
		require.Equal(t, want, got)
		for worker := range want {
			require.Equal(t, plan[worker], c.secretsOf(worker))
		}
		require.NoError(t, s.Close())
	})
}

func TestCreateAnswersForTheState(t *testing.T) {
	c := newCloud()
	s, e := serve(t, hosted.Config{Writer: c, Sets: []hosted.Set{writeSet(worker, map[string]string{"A": "one", "B": "two"})}})
	resp, err := e.create(t.Context(), t, worker, "A", "one")
	require.NoError(t, err)
	require.Equal(t, idOf(worker, "A"), resp.GetId(), "the official provider's id")
	require.Equal(t, inputs(worker, "A", "one"), unwire(t, resp.GetProperties()), "the text goes back marked secret")
	require.Equal(t, map[string]string{"A": "one", "B": "two"}, c.secretsOf(worker), "the first call sends the whole set")

	up, err := e.update(t.Context(), t, worker, "B", "old", "two")
	require.NoError(t, err)
	require.Equal(t, inputs(worker, "B", "two"), unwire(t, up.GetProperties()))
	require.Len(t, c.written(), 1)
	require.Equal(t, map[string][]string{worker: {"A", "B"}}, s.Written())
	require.Empty(t, s.Failed())
}

func TestPreviewWritesNothing(t *testing.T) {
	c := newCloud()
	s, e := serve(t, hosted.Config{Writer: c, Sets: []hosted.Set{writeSet(worker, map[string]string{"A": "one"})}})
	for _, text := range []string{"one", "a stand-in"} {
		created, err := e.Create(t.Context(), &pulumirpc.CreateRequest{
			Urn: urnBase + "x", Preview: true, Properties: wire(t, inputs(worker, "A", text)),
		})
		require.NoError(t, err)
		require.Empty(t, created.GetId())
		require.Equal(t, inputs(worker, "A", text), unwire(t, created.GetProperties()))
		updated, err := e.Update(t.Context(), &pulumirpc.UpdateRequest{
			Urn: urnBase + "x", Preview: true, Id: idOf(worker, "A"), News: wire(t, inputs(worker, "A", text)),
		})
		require.NoError(t, err, "a preview tells nobody whether the value is the planned one")
		require.Equal(t, inputs(worker, "A", text), unwire(t, updated.GetProperties()))
	}
	unknown := inputs(worker, "A", "")
	unknown["secretText"] = resource.MakeComputed(resource.NewProperty(""))
	_, err := e.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urnBase + "x", Preview: true, Properties: wire(t, unknown)})
	require.NoError(t, err)
	require.Empty(t, c.written())
	require.Zero(t, c.lists)
	require.Empty(t, s.Written())
}

// Another local user can call, but knows none of the values.
func TestAnythingUnplannedIsRefused(t *testing.T) {
	c := newCloud()
	set := writeSet(worker, map[string]string{"A": "canary-one"})
	set.Adopt = sealed(map[string]string{"KEPT": "canary-kept"})
	s, e := serve(t, hosted.Config{Writer: c, Sets: []hosted.Set{set}})
	c.set(worker, map[string]string{"KEPT": "canary-kept"})
	for _, call := range []struct{ worker, name, text, why string }{
		{worker, "A", "canary-onf", "the value is not the planned one"},
		{worker, "A", "canary", "the value is not the planned one"},
		{worker, "KEPT", "canary-wrong", "the value is not the planned one"},
		{worker, "B", "canary-one", "it is not part of the plan"},
		{"other", "A", "canary-one", "nothing is planned for this Worker"},
	} {
		_, err := e.create(t.Context(), t, call.worker, call.name, call.text)
		require.ErrorContains(t, err, call.why)
		require.NotContains(t, err.Error(), "canary")
		_, err = e.update(t.Context(), t, call.worker, call.name, "old", call.text)
		require.ErrorContains(t, err, call.why)
	}
	elsewhere := inputs(worker, "A", "canary-one")
	elsewhere["accountId"] = resource.NewProperty("another-account")
	_, err := e.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urnBase + "x", Properties: wire(t, elsewhere)})
	require.ErrorContains(t, err, "nothing is planned for this Worker and account")
	_, err = e.Update(t.Context(), &pulumirpc.UpdateRequest{
		Urn: urnBase + "x", Id: idOf(worker, "B"), News: wire(t, inputs(worker, "A", "canary-one")),
	})
	require.ErrorContains(t, err, "the id is another secret's")
	unknown := inputs(worker, "A", "")
	unknown["secretText"] = resource.MakeComputed(resource.NewProperty(""))
	_, err = e.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urnBase + "x", Properties: wire(t, unknown)})
	require.ErrorContains(t, err, "secretText is missing, empty or not known")
	require.Empty(t, c.written())
	require.Empty(t, s.Written())
	require.Empty(t, s.Adopted())
}

func TestGuessingEnds(t *testing.T) {
	c := newCloud()
	var log lines
	s, e := serve(t, hosted.Config{
		Writer: c, Log: log.add, Sets: []hosted.Set{writeSet(worker, map[string]string{"API_USER": "123456"})},
	})
	for guess := range 200 {
		other := connect(t, s) // a new connection does not help
		_, err := other.create(t.Context(), t, worker, "API_USER", fmt.Sprintf("%06d", guess))
		other.hangUp()
		require.Error(t, err)
	}
	_, err := e.create(t.Context(), t, worker, "API_USER", "123456")
	require.Equal(t, codes.PermissionDenied, status.Code(err), "the right value is no longer told from a wrong one")
	require.Empty(t, c.written())
	require.Equal(t, 1, strings.Count(log.String(), "guessing"))
}

func TestAdoptTakesOverWhatTheWorkerLists(t *testing.T) {
	c := newCloud()
	c.set(worker, map[string]string{"KEPT": "one", "ALSO": "two"})
	set := hosted.Set{Account: account, Worker: worker, Adopt: sealed(map[string]string{"KEPT": "one", "ALSO": "two", "GONE": "three"})}
	s, e := serve(t, hosted.Config{Writer: c, Sets: []hosted.Set{set}})
	for name, text := range map[string]string{"KEPT": "one", "ALSO": "two"} {
		resp, err := e.create(t.Context(), t, worker, name, text)
		require.NoError(t, err)
		require.Equal(t, idOf(worker, name), resp.GetId())
	}
	_, err := e.create(t.Context(), t, worker, "GONE", "three")
	require.ErrorContains(t, err, "the Worker does not list it, so it cannot be taken over: rotate it, or plan it as a write")
	_, err = e.update(t.Context(), t, worker, "KEPT", "older", "one")
	require.ErrorContains(t, err, "a value that differs from the state's must be written")
	require.Equal(t, map[string][]string{worker: {"ALSO", "KEPT"}}, s.Adopted())
	require.Empty(t, s.Written())
	require.Empty(t, c.written())
	require.Equal(t, 1, c.lists, "the list is asked for once")
}

func TestAdoptIsRefusedWhenTheListCannotBeHad(t *testing.T) {
	c := newCloud()
	c.set(worker, map[string]string{"KEPT": "one"})
	c.setFail(errors.New("service unavailable"))
	set := hosted.Set{Account: account, Worker: worker, Adopt: sealed(map[string]string{"KEPT": "one"})}
	s, e := serve(t, hosted.Config{Writer: c, Sets: []hosted.Set{set}})
	_, err := e.create(t.Context(), t, worker, "KEPT", "one")
	require.ErrorContains(t, err, "listing the secrets of Worker badges to take over KEPT: service unavailable")
	require.Empty(t, s.Adopted())
}

// A failed request may have arrived, so within one operation there is no second.
func TestAFailedBulkIsToldToEveryCallAndNotRepeated(t *testing.T) {
	c := newCloud()
	cause := errors.New("authentication error (10000)")
	c.setFail(cause)
	plan := map[string]string{"A": "one", "B": "two"}
	s, e := serve(t, hosted.Config{Writer: c, Sets: []hosted.Set{writeSet(worker, plan)}})
	for range 3 {
		_, err := e.create(t.Context(), t, worker, "A", "one")
		require.ErrorContains(t, err, "writing the 2 planned secrets of Worker badges: authentication error (10000)")
		c.setFail(nil)
		_, err = e.update(t.Context(), t, worker, "B", "old", "two")
		require.ErrorContains(t, err, "authentication error (10000)")
	}
	require.Len(t, c.written(), 1)
	require.Empty(t, s.Written())
	require.ErrorIs(t, s.Failed()[worker], cause)

	s, e = serve(t, hosted.Config{Writer: c, Sets: []hosted.Set{writeSet(worker, plan)}})
	_, err := e.create(t.Context(), t, worker, "A", "one")
	require.NoError(t, err, "a new operation tries again")
	require.Equal(t, plan, c.secretsOf(worker))
	require.Empty(t, s.Failed())
}

func TestAnErrorOfTheWriterShowsNoValue(t *testing.T) {
	c := newCloud()
	c.setFail(errors.New(`cannot parse {"text":"canary-one"}, nor canary-kept`))
	set := writeSet(worker, map[string]string{"A": "canary-one"})
	set.Adopt = sealed(map[string]string{"KEPT": "canary-kept"})
	_, e := serve(t, hosted.Config{Writer: c, Sets: []hosted.Set{set}})
	for name, text := range map[string]string{"A": "canary-one", "KEPT": "canary-kept"} {
		_, err := e.create(t.Context(), t, worker, name, text)
		require.ErrorContains(t, err, "cannot parse")
		require.NotContains(t, err.Error(), "canary")
	}
}

func TestServeRefusesAPlanThatCannotWork(t *testing.T) {
	many := map[string]string{}
	for i := range 101 {
		many[fmt.Sprintf("N%d", i)] = "v"
	}
	one := map[string]string{"A": "one"}
	both := writeSet(worker, one)
	both.Adopt = sealed(one)
	for want, sets := range map[string][]hosted.Set{
		"two sets for one Worker":                      {writeSet(worker, one), writeSet(worker, one)},
		"101 secrets to write, one request takes 100":  {writeSet(worker, many)},
		"secret A is empty":                            {{Account: account, Worker: worker, Write: map[string]secrets.Value{"A": {}}}},
		"secret A has 5121 bytes, a Worker takes 5120": {writeSet(worker, map[string]string{"A": strings.Repeat("x", 5121)})},
		"is to be written and to be adopted":           {both},
		"account or Worker is not named":               {{Worker: worker, Write: sealed(one)}},
		"a secret has no name":                         {writeSet(worker, map[string]string{"": "x"})},
	} {
		_, err := hosted.Serve(t.Context(), hosted.Config{Sets: sets, Writer: newCloud()})
		require.ErrorContains(t, err, want)
	}
	_, err := hosted.Serve(t.Context(), hosted.Config{Sets: []hosted.Set{writeSet(worker, one)}})
	require.ErrorContains(t, err, "no writer given")
}
