//go:build slow

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
)

const (
	scalewayAccess = "sanmarcsoft/scaleway/access-key"
	scalewaySecret = "sanmarcsoft/scaleway/api-secret"
)

// worldOnS3 is a fresh world whose state lies on the S3 server.
func worldOnS3(t *testing.T) *sandboxed {
	t.Helper()
	w := emptyWorld(t)
	w.must("sandbox", "reset", "--backend", "s3")
	require.NoDirExists(t, filepath.Join(w.dir, "state"))
	require.Empty(t, w.gateways(), "the server ends with the command")
	return w
}

func (w *sandboxed) bucket() string { return filepath.Join(w.dir, "s3", "buckets", sandbox.Bucket) }

// bucketEvents is the journal of a secret as it lies in the bucket.
func (w *sandboxed) bucketEvents(secret string) []journal.Event {
	w.t.Helper()
	log, err := journal.InDir(w.bucket()).Open(w.t.Context(), secret)
	require.NoError(w.t, err)
	events, err := log.Events(w.t.Context())
	require.NoError(w.t, err)
	return events
}

// gateways are the processes of S3 servers of this world.
func (w *sandboxed) gateways() []string {
	w.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(w.t, err)
	require.NotEmpty(w.t, files)
	var found []string
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err == nil && bytes.Contains(environ, []byte("VGW_META_SIDECAR="+w.dir+"/")) {
			found = append(found, filepath.Dir(file))
		}
	}
	return found
}

func TestStripeIsRotatedWithTheStateOnS3(t *testing.T) {
	w := worldOnS3(t)
	key := w.pass(stripeKey)
	// What the operator's shell has of AWS is for something else.
	shell := w.with("AWS_ACCESS_KEY_ID=SCWWRONG", "AWS_SECRET_ACCESS_KEY=wrong", "AWS_SESSION_TOKEN=wrong", "AWS_PROFILE=nobody",
		"AWS_REGION=nowhere", "AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3=http://127.0.0.1:1")
	rep := decode(t, shell.must("rotate", "--secret", "stripe", "--yes", "--json").stdout)
	require.Equal(t, "DONE", rep.State)
	require.Equal(t, w.swapped("stripe", stripeKey, key), w.truth().Consumers["stripe-backend"].RunsWith["STRIPE_SECRET_KEY"])
	events := w.bucketEvents("stripe")
	require.Equal(t, journal.Done, events[len(events)-1].State)
	require.Empty(t, w.gateways())

	env := w.serve()
	exports, err := os.ReadFile(env)
	require.NoError(t, err)
	require.Contains(t, string(exports), `export AWS_SECRET_ACCESS_KEY="$(pass show `+scalewaySecret+`)"`)
	require.Contains(t, string(exports), "export PULUMI_BACKEND_URL='s3://"+sandbox.Bucket+"?")
	require.NotContains(t, string(exports), w.pass(scalewaySecret))
	r := w.sourced(env, "cd '"+filepath.Join(w.dir, "projects/services/stripe-backend/infra")+"'\npulumi stack history --json")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stdout, rep.Rotation, "the update is in the history that the plain CLI reads from S3")
	for _, request := range w.requests() {
		require.False(t, request.Service == "s3" && request.Status >= 500, "%+v", request)
	}
}

// listed is the status that S3 answers a client of its own kind, curl, with.
func (w *sandboxed) listed(env, access, secret string) string {
	w.t.Helper()
	// curl reads the key from standard input.
	r := w.exec("user = \""+access+":"+secret+"\"\n", "bash", "-c", `set -euo pipefail
		. '`+env+`'
		endpoint=${PULUMI_BACKEND_URL#*endpoint=}
		curl -s -o /dev/null -w '%{http_code}' -K - --aws-sigv4 aws:amz:fr-par:s3 -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
			"${endpoint%%&*}/`+sandbox.Bucket+`?list-type=2&max-keys=1"`)
	require.Zero(w.t, r.code, r.stderr)
	return r.stdout
}

func TestRevokedKeyIsRefusedByS3AtOnce(t *testing.T) {
	w := worldOnS3(t)
	env := w.serve()
	access, secret := w.pass(scalewayAccess), w.pass(scalewaySecret)
	second := w.roll("scaleway")
	require.Equal(t, "200", w.listed(env, access, secret))
	require.Equal(t, "200", w.listed(env, second["access-key"], second["api-secret"]))
	require.Equal(t, "403", w.listed(env, second["access-key"], secret), "another key's secret")

	w.must("sandbox", "tamper", "revoked", credential(t, w.truth(), second["access-key"]).ID)
	require.Equal(t, "403", w.listed(env, second["access-key"], second["api-secret"]), "another process revoked it")
	require.Equal(t, "200", w.listed(env, access, secret))
	require.True(t, slices.ContainsFunc(w.requests(), func(r api.Request) bool {
		return r.Service == "s3" && r.Status == 403 && r.CredentialID == credential(t, w.truth(), second["access-key"]).ID
	}), "the log says whose key was refused")
}

func TestOnlyOneOfTwoRotationsProceedsOnS3(t *testing.T) {
	w := worldOnS3(t)
	results := make(chan result)
	for range 2 {
		go func() { results <- w.run("rotate", "--secret", "stripe", "--yes") }()
	}
	first, second := <-results, <-results
	if first.code != 0 {
		first, second = second, first
	}
	require.Equal(t, []int{0, 5}, []int{first.code, second.code}, "%s\n%s", tail(first.stderr, 15), tail(second.stderr, 15))
	events := w.bucketEvents("stripe")
	require.Equal(t, journal.Done, events[len(events)-1].State)
	for _, e := range events {
		require.Equal(t, events[0].Rotation, e.Rotation)
	}
	require.Len(t, alive(w.truth(), "stripe", "secret-key"), 1)
}

func TestKilledRotationLeavesNoS3Server(t *testing.T) {
	w := worldOnS3(t)
	w.killWhen(cut{"the new value waits in pass", func(w *sandboxed) bool {
		return w.matches("store/rotation/pending/verifieddit/stripe/secret-key.gpg")
	}}, "rotate", "--secret", "stripe", "--yes")
	w.await("the S3 server ends", func() bool { return len(w.gateways()) == 0 })
	w.await("what it had open is removed", func() bool { return !w.matches("s3/run-*") })
	r := w.must("rotate", "--secret", "stripe", "--yes")
	require.Contains(t, r.stdout, "DONE")
	events := w.bucketEvents("stripe")
	require.Equal(t, events[0].Rotation, events[len(events)-1].Rotation, "the same rotation was taken to its end")
}

func TestBackendOfAWorldOnS3IsKept(t *testing.T) {
	w := worldOnS3(t)
	r := w.run("sandbox", "serve", "--backend", "file")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "sandbox reset")
	require.Equal(t, 2, w.run("sandbox", "reset", "--backend", "gs").code)
	w.must("sandbox", "reset")
	w.must("sandbox", "world")
	require.DirExists(t, filepath.Join(w.dir, "state"), "a folder is the default")
	require.NoDirExists(t, filepath.Join(w.dir, "s3"))
}

// The key that opens the state is itself rotated: the run survives it, the old
// key is dead at every door, and the next run works with the new one.
func TestScalewayIsRotatedWithTheStateOnS3(t *testing.T) {
	w := worldOnS3(t)
	access, secret := w.pass(scalewayAccess), w.pass(scalewaySecret)
	rep := decode(t, w.must("rotate", "--secret", "scaleway", "--yes", "--json").stdout)
	require.Equal(t, "DONE", rep.State)
	newAccess, newSecret := w.pass(scalewayAccess), w.pass(scalewaySecret)
	require.NotEqual(t, access, newAccess)
	require.Equal(t, []string{newAccess}, alive(w.truth(), "scaleway", "access-key"))
	events := w.bucketEvents("scaleway")
	require.Equal(t, journal.Done, events[len(events)-1].State)
	env := w.serve()
	require.Equal(t, "403", w.listed(env, access, secret))
	require.Equal(t, "200", w.listed(env, newAccess, newSecret))
	r := w.sourced(env, "cd '"+w.dir+"/projects'\nfor dir in infra services/stripe-backend/infra; do (cd $dir; pulumi preview --expect-no-changes); done")
	require.Zero(t, r.code, r.stdout+r.stderr)
	w.must("rotate", "--secret", "stripe", "--yes")
}

// The key that opens the state is dead at its dashboard: pass cannot open the
// journal any more, but the new key, typed, can.
func TestDeadStateKeyIsReplacedByATypedOneS3(t *testing.T) {
	w := worldOnS3(t)
	access, secret := w.pass(scalewayAccess), w.pass(scalewaySecret)
	rolled, err := json.Marshal(w.roll("scaleway"))
	require.NoError(t, err)
	w.must("sandbox", "tamper", "revoked", credential(t, w.truth(), access).ID)
	require.NotZero(t, w.run("rotate", "--secret", "scaleway", "--yes").code, "nothing opens the state")

	r := w.feed(string(rolled), "rotate", "--secret", "scaleway", "--value-stdin", "--yes", "--json")
	require.Zero(t, r.code, tail(r.stderr, 20))
	rep := decode(t, r.stdout)
	require.Equal(t, "DONE", rep.State)
	require.Equal(t, "works match", rep.answers()["state-backend"])
	env := w.serve()
	require.Equal(t, "403", w.listed(env, access, secret))
	require.Equal(t, "200", w.listed(env, w.pass(scalewayAccess), w.pass(scalewaySecret)))
}

// The acceptance run: two secrets over all three stacks, the one that opens the
// state among them; afterwards the plain CLI, with the exports alone, finds the
// updates in the history and nothing left to do.
func TestTwoSecretsOverAllStacksOnS3(t *testing.T) {
	w := worldOnS3(t)
	access, secret, clerk := w.pass(scalewayAccess), w.pass(scalewaySecret), w.pass(clerkKey)
	reports := decodeAll(t, w.must("rotate", "--secret", "scaleway", "--secret", "clerk", "--yes", "--json").stdout)
	require.Len(t, reports, 2)
	upped := map[string]string{}
	for _, rep := range reports {
		require.Equal(t, "DONE", rep.State, rep.Secret)
		for _, s := range rep.Stacks {
			upped[s.Name] = rep.Rotation
		}
	}
	require.Equal(t, []string{"infra", "stripe-backend", "verifieddit-badges"}, sorted(upped))
	fresh := w.swapped("clerk", clerkKey, clerk)
	truth := w.truth()
	require.Equal(t, fresh, truth.Consumers[badges].RunsWith["CLERK_SECRET_KEY"])
	require.Equal(t, fresh, truth.Consumers[payments].RunsWith["CLERK_SECRET_KEY"])
	require.Equal(t, []string{w.pass(scalewayAccess)}, alive(truth, "scaleway", "access-key"))

	env := w.serve()
	require.Equal(t, "403", w.listed(env, access, secret))
	for _, folder := range []string{"infra", "services/stripe-backend/infra"} {
		r := w.sourced(env, "cd '"+filepath.Join(w.dir, "projects", folder)+"'\npulumi stack history --json --stack prod\npulumi preview --expect-no-changes --non-interactive --stack prod >&2")
		require.Zero(t, r.code, r.stderr)
		var history []struct {
			Kind, Result, Message string
		}
		require.NoError(t, json.Unmarshal([]byte(r.stdout), &history), r.stdout)
		require.GreaterOrEqual(t, len(history), 2)
		require.Equal(t, []string{"update", "succeeded"}, []string{history[0].Kind, history[0].Result})
		require.Contains(t, history[0].Message, reports[0].Rotation)
		require.Regexp(t, `\d+ unchanged`, r.stderr)
		require.NotContains(t, r.stdout+r.stderr, w.pass(scalewaySecret))
	}
	require.Empty(t, w.exec("", "git", "-C", filepath.Join(w.dir, "projects"), "diff", "--stat", "--", "*/Pulumi.yaml").stdout)
}
