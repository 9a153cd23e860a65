//go:build slow

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// The troubleshooting cases of the hand procedure.

// "Unauthorized after rotation": one consumer was missed. What verify and rotate
// say names it, and the old value lives until it runs with the new one.
func TestKillTroubleConsumerMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.pass(clerkKey)
	require.Equal(t, 6, w.run("rotate", "--secret", "clerk", "--yes", "--grace", "24h").code)
	now := w.pass(clerkKey)
	w.disturb("tamper", "worker-secret", badges, "CLERK_SECRET_KEY", old)
	w.await("the Worker runs with it", func() bool { return w.truth().Consumers[badges].RunsWith["CLERK_SECRET_KEY"] == old })

	r := w.run("verify", "--secret", "clerk", "--json")
	require.NotZero(t, r.code)
	require.Equal(t, map[string]string{badges: "exact differs", payments: "exact match"}, decode(t, r.stdout).answers())
	plain := w.run("verify", "--secret", "clerk")
	require.NotZero(t, plain.code)
	require.Contains(t, plain.stdout, badges)
	require.Contains(t, plain.stdout, "next: ")

	r = w.run("rotate", "--secret", "clerk", "--yes", "--grace", "0")
	require.Contains(t, r.stderr, badges)
	require.Contains(t, r.stderr, "lost the new clerk", "rotate does not say which consumer was missed")
	require.Zero(t, r.code, tail(r.stderr, 20))
	require.Equal(t, now, w.truth().Consumers[badges].RunsWith["CLERK_SECRET_KEY"])
	require.Equal(t, []string{now}, alive(w.truth(), "clerk", "secret-key"))
	died := credential(t, w.truth(), old).RevokedAt
	for _, request := range changing(w.requests(), "cloudflare") {
		require.True(t, request.Time.Before(*died), "the old value died before the consumer had the new one again")
	}
}

// A state lock of a living process: told by whom, and unlock helps.
func TestKillTroubleStateLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host, err := os.Hostname()
	require.NoError(t, err)
	file := w.lock(os.Getpid(), host)
	w.refused(refusal{5, []string{"stripe-backend", "ann", host}, "unlock --sandbox=" + w.dir + " --stack stripe-backend"}, "",
		"rotate", "--secret", "clerk", "--yes", "--grace", "0")
	require.FileExists(t, file)
	w.must("unlock", "--stack", "stripe-backend", "--yes")
	require.NoFileExists(t, file)
	w.must("rotate", "--secret", "clerk", "--yes", "--grace", "0")
}

// Pass is not pushed: its remote refuses what it is sent once the value is in
// grace. Nothing is revoked until it takes it.
func TestKillTroublePassNotPushed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.pass(clerkKey)
	require.Equal(t, 6, w.run("rotate", "--secret", "clerk", "--yes", "--grace", "24h").code)
	hook := filepath.Join(w.dir, "store.git", "hooks", "pre-receive")
	require.NoError(t, os.MkdirAll(filepath.Dir(hook), 0o700))
	require.NoError(t, os.WriteFile(hook, []byte("#!/bin/sh\necho refused by the owner >&2\nexit 1\n"), 0o700))
	// Somebody's commit that cannot be pushed.
	w.insert("verifieddit/note", "nothing of ours")

	r := w.run("rotate", "--secret", "clerk", "--yes", "--grace", "0")
	require.Equal(t, 1, r.code, tail(r.stderr, 20))
	require.Contains(t, r.stderr, "pass is not pushed")
	require.Contains(t, r.stderr, "next: ")
	require.True(t, w.lives(old), "it was revoked although pass is not pushed")
	events := w.events("clerk")
	require.NotContains(t, []journal.State{journal.Revoking, journal.Done}, events[len(events)-1].State)

	require.NoError(t, os.Remove(hook))
	w.passCommand("", "git", "push", "--quiet")
	w.must("rotate", "--secret", "clerk", "--yes", "--grace", "0")
	require.False(t, w.lives(old))
}

// A remote that refuses from the start: the new value could not be made safe,
// so no consumer gets it.
func TestKillTroubleRemoteRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.pass(clerkKey)
	hook := filepath.Join(w.dir, "store.git", "hooks", "pre-receive")
	require.NoError(t, os.MkdirAll(filepath.Dir(hook), 0o700))
	require.NoError(t, os.WriteFile(hook, []byte("#!/bin/sh\nexit 1\n"), 0o700))
	r := w.run("rotate", "--secret", "clerk", "--yes", "--grace", "0")
	require.Equal(t, 1, r.code, tail(r.stderr, 20))
	require.True(t, w.lives(old))
	for name, c := range w.truth().Consumers {
		require.Equal(t, old, c.RunsWith["CLERK_SECRET_KEY"], name)
	}
	require.NoError(t, os.Remove(hook))
	w.must("rotate", "--secret", "clerk", "--yes", "--grace", "0")
	require.Len(t, alive(w.truth(), "clerk", "secret-key"), 1, strings.Join(alive(w.truth(), "clerk", "secret-key"), " "))
	w.storeHoldsNoLeftovers()
}
