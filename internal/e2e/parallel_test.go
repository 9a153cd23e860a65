//go:build slow

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// crowd is how many secrets one stack has, each with an operator of its own.
const crowd = 10

// crowded is a world whose container runs with ten more secrets, rolled out by
// hand, committed and pushed.
type crowded struct {
	*sandboxed
	catalog  string
	old, new [crowd]string
}

func newCrowd(t *testing.T) *crowded {
	t.Helper()
	c := &crowded{sandboxed: newWorld(t)}
	c.catalog = filepath.Join(c.root, "catalog.yaml")
	c.write("../../secrets/catalog.yaml", c.catalog, func(text string) string {
		var all strings.Builder
		for i := range crowd {
			fmt.Fprintf(&all, `  - name: k%d
    title: Key %d
    service: clerk
    entries: [{path: %s, pattern: 'sk_live_[A-Za-z0-9]{16,}', expect: a key}]
    maxAge: 90d
    grace: 24h
    dashboard: {url: 'https://dashboard.example', issue: [Make one.], retire: [Delete it.]}
    consumers: [{name: stripe-backend, kind: config, stack: stripe-backend, values: {k%d: secret-key}, reads: each-run, probe: {kind: configured, by: config}}]

`, i, i, c.path(i), i)
		}
		return strings.Replace(text, "  - name: clerk-test\n", all.String()+"  - name: clerk-test\n", 1)
	})
	program := filepath.Join(c.dir, stripeFolder, "Pulumi.yaml")
	c.write(program, program, func(text string) string {
		for i := range crowd {
			text = strings.Replace(text, "  image: {", fmt.Sprintf("  k%d: {type: string, secret: true}\n  image: {", i), 1)
			text = strings.Replace(text, "        CLERK_SECRET_KEY:", fmt.Sprintf("        K%d: ${k%d}\n        CLERK_SECRET_KEY:", i, i), 1)
		}
		return text
	})
	opened, err := world.Open(c.dir)
	require.NoError(t, err)
	issue := func() string {
		made, err := opened.Issue(world.Order{Service: "clerk", Entries: []string{"secret-key"}})
		require.NoError(t, err)
		return made[0].Value
	}
	set := ""
	for i := range crowd {
		c.old[i], c.new[i] = issue(), issue()
		set += fmt.Sprintf(" --secret k%d=%s", i, c.old[i])
		c.insert(c.path(i), c.old[i])
	}
	r := c.sourced(c.serve(), "cd '"+filepath.Join(c.dir, stripeFolder)+"'\npulumi config set-all --stack prod"+set+"\npulumi up --stack prod --yes --non-interactive\ngit commit -qam 'Ten keys'\ngit push -q")
	require.Zero(t, r.code, r.stdout+r.stderr)
	for i := range crowd {
		c.insert(c.path(i), c.new[i])
	}
	c.passCommand("", "git", "push", "--quiet")
	return c
}

func (c *crowded) path(i int) string { return fmt.Sprintf("verifieddit/clerk/k%d/secret-key", i) }

func (c *crowded) write(from, to string, edit func(string) string) {
	c.t.Helper()
	raw, err := os.ReadFile(from)
	require.NoError(c.t, err)
	text := edit(string(raw))
	require.NotEqual(c.t, string(raw), text)
	require.NoError(c.t, os.WriteFile(to, []byte(text), 0o600))
}

// holder is how one who waits is told for whom.
var holder = regexp.MustCompile(`worked on by \S+ on \S+ \(process \d+|\S+ on \S+ \(process \d+.* worked on it since`)

// Ten operators, each with a secret of his own on the one stack, at the same
// moment: whoever is refused is told who works there and has changed nothing;
// whoever is done is; and at the end no value is lost, neither in the config
// nor in the container.
func TestProjectTenAtOnceLoseNothing(t *testing.T) {
	c := newCrowd(t)
	waiting := map[int]bool{}
	for i := range crowd {
		waiting[i] = true
	}
	for round := 1; len(waiting) > 0; round++ {
		require.LessOrEqual(t, round, crowd, "a round in which nobody came through")
		results := map[int]chan result{}
		for i := range waiting {
			results[i] = make(chan result, 1)
			go func() {
				results[i] <- c.run("rotate", "--secret", fmt.Sprintf("k%d", i), "--pending", "--grace", "0", "--yes", "--commit", "--catalog", c.catalog)
			}()
		}
		for i, done := range results {
			if r := <-done; r.code == 0 {
				delete(waiting, i)
				c.through(i)
			} else {
				require.Equal(t, 5, r.code, "k%d: %s", i, tail(r.stderr, 20))
				require.Regexp(t, holder, r.stderr)
				require.Contains(t, r.stderr, "next: ")
			}
		}
		for i := range waiting {
			require.Empty(t, c.events(fmt.Sprintf("k%d", i)), "k%d was refused and left a trace", i)
			require.True(t, credential(t, c.truth(), c.old[i]).Alive)
		}
		t.Logf("after round %d: %d wait", round, len(waiting))
	}
	for i := range crowd {
		c.through(i)
	}
	r := c.sourced(filepath.Join(c.dir, "env"), "cd '"+filepath.Join(c.dir, stripeFolder)+"'\npulumi preview --stack prod --expect-no-changes --non-interactive\ntest -z \"$(git status --porcelain)\"")
	require.Zero(t, r.code, r.stdout+r.stderr)
}

// through: the value of this secret is everywhere, and the old one is dead.
func (c *crowded) through(i int) {
	c.t.Helper()
	name := fmt.Sprintf("k%d", i)
	events := c.events(name)
	require.Equal(c.t, journal.Done, events[len(events)-1].State)
	require.Equal(c.t, c.new[i], c.pass(c.path(i)))
	truth := c.truth()
	require.Equal(c.t, c.new[i], truth.Containers["stripe-backend"].Secrets[strings.ToUpper(name)])
	require.True(c.t, credential(c.t, truth, c.new[i]).Alive)
	require.False(c.t, credential(c.t, truth, c.old[i]).Alive)
	r := c.sourced(filepath.Join(c.dir, "env"), "cd '"+filepath.Join(c.dir, stripeFolder)+"'\npulumi config get --stack prod "+name)
	require.Zero(c.t, r.code, r.stderr)
	require.Equal(c.t, c.new[i]+"\n", r.stdout)
}
