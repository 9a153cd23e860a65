package e2e

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
)

// lateConsumer is clerk's second consumer at an address where nobody answers
// until it is started.
type lateConsumer struct {
	w       *sandboxed
	address string
	catalog string
}

func newLateConsumer(w *sandboxed) *lateConsumer {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w.t, err)
	l := &lateConsumer{w: w, address: listener.Addr().String(), catalog: filepath.Join(w.root, "catalog.yaml")}
	require.NoError(w.t, listener.Close())
	raw, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(w.t, err)
	head, clerk, found := strings.Cut(string(raw), "  - name: clerk\n")
	require.True(w.t, found)
	const name, url = "- name: stripe-backend\n        kind: config", "https://payments.verifieddit.com/.well-known/attest"
	require.Less(w.t, strings.Index(clerk, name), strings.Index(clerk, "- name: clerk-test"), "the catalog has changed")
	clerk = strings.Replace(clerk, name, "- name: payments\n        kind: config", 1)
	clerk = strings.Replace(clerk, url, "http://"+l.address+attest.Path, 1)
	require.NoError(w.t, os.WriteFile(l.catalog, []byte(head+"  - name: clerk\n"+clerk), 0o600))
	return l
}

// start has it answer with what the container runs with.
func (l *lateConsumer) start() {
	l.w.t.Helper()
	listener, err := net.Listen("tcp", l.address)
	require.NoError(l.w.t, err)
	runs := func(string) ([]secrets.Value, bool) {
		value := l.w.truth().Consumers[payments].RunsWith["CLERK_SECRET_KEY"]
		return []secrets.Value{secrets.NewValue([]byte(value))}, true
	}
	server := &http.Server{Handler: attest.Handler(runs, time.Now), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	l.w.t.Cleanup(func() { _ = server.Close() })
}

// dated is a debt: what, and since when.
var dated = regexp.MustCompile(`^(.+) since (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$`)

// A leaked key at 2 a.m.: somebody has killed it at the dashboard, one consumer
// is down, the git remote is away. What can be done is done, what cannot is a
// debt with its date and no success; and later the same command settles it.
func TestLeakedKeyAtNight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	late := newLateConsumer(w)
	old := credential(t, w.truth(), w.pass(clerkKey))
	w.disturb("tamper", "revoked", old.ID)
	remote, away := filepath.Join(w.dir, "store.git"), filepath.Join(w.dir, "away.git")
	require.NoError(t, os.Rename(remote, away))
	command := []string{"rotate", "--secret", "clerk", "--new", "--grace", "0", "--yes", "--catalog", late.catalog, "--json"}

	r := w.run(command...)
	require.Equal(t, 4, r.code, tail(r.stderr, 20))
	rep := decode(t, r.stdout)
	require.NotEqual(t, "DONE", rep.State)
	require.NotEmpty(t, rep.Next)
	now := w.pass(clerkKey)
	require.Equal(t, []string{now}, alive(w.truth(), "clerk", "secret-key"), "pass has the new key, and the old one is dead")
	for _, name := range []string{badges, payments} {
		require.Equal(t, now, w.truth().Consumers[name].RunsWith["CLERK_SECRET_KEY"], "%s has it too", name)
	}
	owed := map[string]string{}
	for _, debt := range rep.Debts {
		parts := dated.FindStringSubmatch(debt)
		require.Len(t, parts, 3, "%q has no date", debt)
		owed[parts[1]] = parts[2]
	}
	require.ElementsMatch(t, []string{"pass is not pushed", "consumer payments is not proven"}, []string{sorted(owed)[1], sorted(owed)[0]})
	require.Len(t, owed, 2)
	row := w.status(0)["clerk"]
	require.Equal(t, rep.Debts, row.Debts)
	require.NotEqual(t, "DONE", *row.State)

	require.NoError(t, os.Rename(away, remote))
	late.start()
	r = w.run(command...)
	require.Zero(t, r.code, tail(r.stderr, 20))
	settled := decode(t, r.stdout)
	require.Equal(t, []string{"DONE", rep.Rotation}, []string{settled.State, settled.Rotation})
	require.Empty(t, settled.Debts)
	require.Equal(t, now, w.pass(clerkKey), "a second key was made")
	require.Equal(t, []string{now}, alive(w.truth(), "clerk", "secret-key"))
	w.storeHoldsNoLeftovers()
	events := w.events("clerk")
	require.Equal(t, journal.Done, events[len(events)-1].State)
	require.Empty(t, events[len(events)-1].Debts)
	// What was owed kept its first date from event to event.
	for _, e := range events {
		for _, debt := range e.Debts {
			require.True(t, slices.Contains(rep.Debts, debt), "%q of event %d", debt, e.Number)
		}
	}
	require.Empty(t, w.status(0)["clerk"].Debts)
}
