//go:build slow

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// stripeCatalog writes the catalog with other consumers of stripe and returns
// its path.
func (w *sandboxed) stripeCatalog(consumers string) string {
	w.t.Helper()
	raw, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(w.t, err)
	head, rest, found := strings.Cut(string(raw), "  - name: stripe\n")
	require.True(w.t, found)
	own, others, found := strings.Cut(rest, "    consumers:\n")
	require.True(w.t, found)
	_, others, found = strings.Cut(others, "\n\n")
	require.True(w.t, found)
	file := filepath.Join(w.root, "catalog.yaml")
	text := head + "  - name: stripe\n" + own + "    consumers:\n" + consumers + "\n" + others
	require.NoError(w.t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// byHash is the container's own consumer, asked through Scaleway's API.
const byHash = `      - name: stripe-backend
        kind: config
        stack: stripe-backend
        values: {stripe-secret-key: secret-key, stripe-webhook-secret: webhook-secret}
        probe: {kind: exact, by: hash, container: stripe-backend, variables: {STRIPE_SECRET_KEY: secret-key, STRIPE_WEBHOOK_SECRET: webhook-secret}}
`

// answers are the consumers of the one secret that a command reported.
func answersOf(t *testing.T, stdout string) map[string]string {
	t.Helper()
	var document struct {
		State     string
		Consumers []struct{ Name, Answer string }
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &document), stdout)
	out := map[string]string{}
	for _, c := range document.Consumers {
		out[c.Name] = c.Answer
	}
	return out
}

// notRetired: the old value is what everybody may go on working with.
func (w *sandboxed) notRetired(old pair) {
	w.t.Helper()
	require.True(w.t, w.lives(old.key), "the old value was retired without proof")
	require.Equal(w.t, old.key, w.pass(stripeKey), "the new value was promoted without proof")
	require.NotEqual(w.t, old.key, w.pass("rotation/pending/"+stripeKey))
	for _, e := range w.events("stripe") {
		require.True(w.t, e.RevokedAt.IsZero(), "a date was written")
	}
}

// TestLongHostileConsumersProveNothing: all of them answer as they should until the
// roll-out, and then as no consumer that has the new value would. None counts as
// proof, each is named, and once they are mended the same command ends well.
func TestLongHostileConsumersProveNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	far := newFarEnd(w)
	catalog := w.stripeCatalog(byHash + far.consumers())
	require.Equal(t, len(far.hostile())+len(far.hostileReaders())+1, strings.Count(w.must("verify", "--secret", "stripe", "--catalog", catalog, "--json").stdout, `"match"`), "before it, all are well")

	r := w.run("rotate", "--secret", "stripe", "--yes", "--json", "--catalog", catalog)
	require.NotZero(t, r.code, "it was taken for rotated")
	answers := answersOf(t, r.stdout)
	require.Equal(t, "match", answers["stripe-backend"], "the one that is honest")
	message := r.stderr[strings.LastIndex(r.stderr, "error: "):]
	for name, want := range far.hostile() {
		if want == "" {
			want = answers[name]
			require.Contains(t, []string{"differs", "unknown"}, want, name)
		}
		require.Equal(t, want, answers[name], "%s\n%s", name, message)
		require.Contains(t, message, name+" ("+want+")")
	}
	for name := range far.hostileReaders() {
		require.Equal(t, "unknown", answers[name], name)
	}
	require.Contains(t, message, "the old value was not retired")
	w.notRetired(far.old)
	far.leaksNothing(r)

	far.mend()
	r = w.run("rotate", "--secret", "stripe", "--yes", "--json", "--catalog", catalog)
	require.NotZero(t, r.code, "it was taken for rotated")
	require.NotEqual(t, far.old.key, w.pass(stripeKey), "every consumer that does not read pass has proven it")
	answers = answersOf(t, r.stdout)
	for name, want := range far.hostileReaders() {
		require.Equal(t, want, answers[name], "%s\n%s", name, r.stderr)
		require.Contains(t, r.stderr[strings.LastIndex(r.stderr, "error: "):], name+" ("+want+")")
	}
	require.True(t, w.lives(far.old.key), "the old value was retired without proof")
	far.leaksNothing(r)

	far.restart()
	w.must("rotate", "--secret", "stripe", "--yes", "--catalog", catalog)
	require.False(t, w.lives(far.old.key))
	require.NotEqual(t, far.old.key, w.pass(stripeKey))
}

// TestLongContainerThatIsNotReadyProvesNothing: Scaleway shows the new value's hash
// while the old revision still runs.
func TestLongContainerThatIsNotReadyProvesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.runsNow("stripe-backend")
	catalog := w.stripeCatalog(byHash)
	w.disturb("tamper", "container-error", "stripe-backend", "the image does not start")
	refused := w.run("rotate", "--secret", "stripe", "--yes", "--catalog", catalog)
	require.NotZero(t, refused.code)
	require.Contains(t, refused.stderr, "stripe-backend")
	require.Contains(t, refused.stderr, "not ready")
	require.True(t, w.lives(old.key))
	require.Equal(t, old, w.runsNow("stripe-backend"))
	w.disturb("tamper", "container-mended", "stripe-backend")
	w.must("rotate", "--secret", "stripe", "--yes", "--catalog", catalog)
	require.False(t, w.lives(old.key))
}

// pair is what a consumer of stripe runs with.
type pair struct{ key, webhook string }

func (p pair) environ() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "STRIPE_SECRET_KEY=" + p.key, "STRIPE_WEBHOOK_SECRET=" + p.webhook}
}

func (w *sandboxed) runsNow(container string) pair {
	w.t.Helper()
	p, err := runsIn(w.dir, container)
	require.NoError(w.t, err)
	return p
}

func runsIn(dir, container string) (pair, error) {
	opened, err := world.Open(dir)
	if err != nil {
		return pair{}, err
	}
	runs, err := opened.ContainerRuns(container, time.Now())
	return pair{key: runs["STRIPE_SECRET_KEY"], webhook: runs["STRIPE_WEBHOOK_SECRET"]}, err
}

// twin adds a container that no stack of ours changes, with the same values.
func (w *sandboxed) twin(name string, p pair) {
	w.t.Helper()
	values := map[string]string{"STRIPE_SECRET_KEY": p.key, "STRIPE_WEBHOOK_SECRET": p.webhook}
	hashes, err := world.HashSecrets(values)
	require.NoError(w.t, err)
	w.change(func(s *world.State) {
		c, ok := s.Container(name)
		if !ok {
			c = s.NewContainer(s.Namespaces[0], name)
		}
		c.Secrets, c.Hashes = values, hashes
		s.RollOut(c)
	})
}

func (f *farEnd) leaksNothing(r result) {
	f.w.t.Helper()
	now := f.w.runsNow("stripe-backend")
	for _, value := range []string{f.old.key, f.old.webhook, now.key, now.webhook} {
		require.NotContains(f.w.t, r.stdout+r.stderr, value)
	}
}

// consumers is their part of the catalog.
func (f *farEnd) consumers() string {
	var out strings.Builder
	manual := func(name, probe string) {
		fmt.Fprintf(&out, "      - {name: %s, kind: manual, steps: [Restart it.], probe: {%s}}\n", name, probe)
	}
	const variables = "variables: {STRIPE_SECRET_KEY: secret-key, STRIPE_WEBHOOK_SECRET: webhook-secret}"
	for name := range f.attests() {
		manual(name, "kind: exact, by: attest, url: '"+f.server.URL+"/"+name+"'")
	}
	for name := range f.works() {
		manual(name, "kind: works, by: http, url: '"+f.server.URL+"/"+name+"', badUrl: '"+f.server.URL+"/"+name+"/bad'")
	}
	for name, file := range f.pidFiles {
		manual(name, "kind: exact, by: environ, pidFile: "+file+", "+variables)
	}
	fmt.Fprintf(&out, "      - {name: twin, kind: config, stack: infra, values: {twin-key: secret-key, twin-secret: webhook-secret}, optional: [twin-key, twin-secret], probe: {kind: exact, by: hash, container: twin, %s}}\n", variables)
	return out.String()
}
