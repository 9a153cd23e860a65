//go:build slow

package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// meddler is somebody who changes things behind the program's back.
type meddler struct {
	*sandboxed
	box *sandbox.Sandbox
}

// tamper is `sandbox tamper`; it returns the id that was printed.
func (m meddler) tamper(kind string, args ...string) string {
	m.t.Helper()
	out, err := m.box.Tamper(m.t.Context(), kind, args...)
	require.NoError(m.t, err)
	return strings.TrimSpace(out)
}

// holds is the value of an entry that lives; dead is the id of the one that it
// replaced.
func (m meddler) holds(service, entry string) trueCredential { return m.value(service, entry) }

func (m meddler) dead(service, entry string) string {
	m.t.Helper()
	for _, c := range m.truth().Credentials {
		if c.Service == service && c.Entry == entry && !c.Alive {
			return c.ID
		}
	}
	require.Fail(m.t, "none is dead", "%s %s", service, entry)
	return ""
}

// issued is a value that the service takes and that nobody was told of.
func (m meddler) issued(secret, entry string) string {
	m.t.Helper()
	return m.roll(secret)[entry]
}

// change is one thing that somebody does, and what the check must say: each
// finding as CODE:SUBJECT, with | between those that are as good.
type change struct {
	name string
	do   func(m meddler)
	want []string
	// may come with it.
	may []string
}

// changes that do not get into each other's way are made in one world.
type changes struct {
	name string
	make func(t *testing.T) *sandboxed
	all  []change
	// args are further arguments of the check.
	args func(w *sandboxed) []string
	// mends: `drift --fix --yes` is to bring the world in order; left are the
	// codes of what only a person can mend.
	left []string
}

const (
	uncommitted  = "config-uncommitted:*/services/stripe-backend/infra/Pulumi.prod.yaml"
	containerRow = "container/verifieddit/stripe-backend"
)

func everyChange() []changes {
	return []changes{
		{name: "the services", make: settledWorld, all: atTheServices()},
		{name: "what is gone", make: settledWorld, all: gone()},
		{name: "pass", make: settledWorld, all: inPass()},
		{name: "pass, not pushed", make: settledWorld, all: []change{
			{"pass not pushed", func(m meddler) { m.tamper("pass-unpushed", "aws/account-id", "210987654321") }, []string{"unpushed:pass"}, nil},
			{"code rolled back", func(m meddler) { m.tamper("code-rolled-back", badges) },
				[]string{"stale-consumer:sightengine/" + badges + "|stale-consumer:clerk/" + badges, "foreign-change:worker/" + badges + "/deployment"}, []string{"resource-drift:stack/" + badges + "/*"}},
			{"journal altered", func(m meddler) { m.tamper("journal-altered", "clerk-test") }, []string{"foreign-change:journal/clerk-test"}, nil},
			{"update died on another host", func(m meddler) { m.tamper("state-pending", "infra") }, []string{"unfinished-rotation:stack/infra"}, nil},
		}},
		{name: "pass, behind", make: settledWorld, all: []change{
			{"a commit only at the remote", func(m meddler) { m.tamper("pass-behind", "aws/account-id", "210987654321") }, []string{"behind:pass"}, nil},
			{"container stopped", func(m meddler) { m.tamper("container-stopped", payments) },
				[]string{"foreign-change:" + containerRow + "|missing-at-consumer:stripe/" + payments + "|value-differs:stripe/" + payments}, []string{"*"}},
			{"journal lost", func(m meddler) { m.tamper("journal-lost", "scaleway") }, []string{"foreign-change:journal/scaleway"}, nil},
		}},
		{name: "a world without a journal", make: newWorld, all: []change{
			{"value changed at a Worker", func(m meddler) {
				m.tamper("worker-secret", badges, "SIGHTENGINE_API_SECRET", "somebodyelsesvalue00")
			}, []string{"value-differs:sightengine/" + badges}, []string{"foreign-change:worker/" + badges}},
			{"config edited", func(m meddler) { m.tamper("config-edited", payments, "stripe-secret-key", foreignKey) },
				[]string{"value-differs:stripe/" + payments + "/stripe-secret-key"}, []string{"resource-drift:stack/" + payments + "/container"}},
			{"pass edited and not rolled out", func(m meddler) { m.tamper("pass-edited", clerkKey, m.issued("clerk", "secret-key")) },
				[]string{"stale-consumer:clerk/" + badges, "stale-consumer:clerk/" + payments, "stale-consumer:clerk/" + payments + "/clerk-secret-key"}, []string{"old-still-alive:clerk"}},
			{"the token ends soon", func(m meddler) { m.tamper("expires", m.holds("cloudflare", "api-token").ID, "5d") }, []string{"expiring:cloudflare"}, nil},
		}},
		{name: "CI secrets", make: ciWorld, all: inCI(), args: func(w *sandboxed) []string { return []string{"--catalog", w.ciCatalog()} }},
		{name: "a copy that nobody declared", make: settledWorld, all: []change{
			{"another stack's config", func(m meddler) { m.tamper("config-edited", "infra", "stripe-key", m.pass(stripeKey)) },
				[]string{"unmanaged-at-consumer:stack/infra/prod/stripe-key"}, nil},
			{"another name at the Worker", func(m meddler) { m.tamper("worker-secret", badges, "STRIPE_KEY", m.pass(stripeKey)) },
				[]string{"unmanaged-at-consumer:worker/" + badges + "/STRIPE_KEY"}, []string{"foreign-change:worker/" + badges}},
			{"a container that nobody declared", func(m meddler) { m.twin("copy", m.runsNow(payments)) },
				[]string{"unmanaged-at-consumer:container/verifieddit/copy/STRIPE_SECRET_KEY", "unmanaged-at-consumer:container/verifieddit/copy/STRIPE_WEBHOOK_SECRET"}, nil},
			{"a file for local runs", func(m meddler) {
				require.NoError(m.t, os.WriteFile(filepath.Join(m.dir, "projects/services/.env"), []byte("export CLERK='"+m.pass(clerkKey)+"'\n"), 0o600))
			}, []string{"unmanaged-at-consumer:file/services/.env/CLERK"}, nil},
		}},
		{name: "a Worker's deploy", make: settledWorld, all: []change{
			{"a deploy drops all secrets", func(m meddler) { m.tamper("worker-upload", badges) }, []string{
				"missing-at-consumer:clerk/" + badges + "/CLERK_SECRET_KEY", "missing-at-consumer:sightengine/" + badges + "/SIGHTENGINE_API_USER",
				"missing-at-consumer:sightengine/" + badges + "/SIGHTENGINE_API_SECRET"}, []string{"value-differs:clerk/" + badges, "value-differs:sightengine/" + badges,
				"foreign-change:worker/" + badges, "resource-drift:stack/" + badges + "/*"}},
		}},
	}
}

// ciConsumers are places at GitHub that hold stripe's key, beside its container.
const ciConsumers = `      - {name: ci, kind: actions, stack: places, repository: sanmarcsoft/verifieddit, values: {STRIPE_SECRET_KEY: secret-key}, probe: {kind: present, by: updated}}
      - {name: ci-production, kind: actions, stack: places, repository: sanmarcsoft/verifieddit, environment: production, values: {STRIPE_SECRET_KEY: secret-key}, probe: {kind: present, by: updated}}
      - {name: ci-all, kind: actions, stack: places, organization: sanmarcsoft, values: {STRIPE_SECRET_KEY: secret-key}, probe: {kind: present, by: updated}}
`

// ciCatalog is the embedded catalog with these places.
func (w *sandboxed) ciCatalog() string {
	w.t.Helper()
	raw, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(w.t, err)
	text := string(raw)
	for before, added := range map[string]string{
		"  - name: sightengine\n    title":          ciConsumers,
		"  cloudflare:\n    api: https://api.cloud": "  github: {api: 'https://api.github.com', token: sanmarcsoft/github/token}\n",
		"  - name: cloudflare\n    title":           "  - {name: github, service: manual, entries: [{path: sanmarcsoft/github/token}]}\n",
		"  - name: infra\n    dir":                  "  - {name: places, declared: true}\n",
	} {
		require.Equal(w.t, 1, strings.Count(text, before), before)
		text = strings.Replace(text, before, added+before, 1)
	}
	file := filepath.Join(w.root, "catalog.yaml")
	require.NoError(w.t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// ciWorld is one in which stripe's key was rotated, at GitHub too.
func ciWorld(t *testing.T) *sandboxed {
	t.Helper()
	w := newWorld(t)
	w.opened(func(s *sandbox.Sandbox) {
		m := meddler{w, s}
		made, err := s.World().Issue(world.Order{Service: world.GitHub})
		require.NoError(t, err)
		m.tamper("pass-entry-added", "sanmarcsoft/github/token", made[0].Value)
		for _, place := range []string{world.RepositoryName, world.RepositoryName + ":" + world.EnvironmentName, world.OrganizationName} {
			m.tamper("ci-secret", place, "STRIPE_SECRET_KEY", w.pass(stripeKey))
		}
	})
	w.must("rotate", "--secret", "stripe", "--yes", "--catalog", w.ciCatalog())
	return w
}

func inCI() []change {
	const repository = world.RepositoryName
	return []change{
		{"CI secret changed", func(m meddler) { m.tamper("ci-secret", repository, "STRIPE_SECRET_KEY", foreignKey) },
			[]string{"foreign-change:repository/" + repository + "/STRIPE_SECRET_KEY|value-differs:stripe/ci"}, []string{"value-differs:stripe/ci", "foreign-change:repository/" + repository + "/STRIPE_SECRET_KEY", "resource-drift:stack/places/*"}},
		{"CI secret of an environment deleted", func(m meddler) {
			m.tamper("ci-no-secret", repository+":"+world.EnvironmentName, "STRIPE_SECRET_KEY")
		}, []string{"missing-at-consumer:stripe/ci-production/STRIPE_SECRET_KEY"}, nil},
		{"foreign CI secret", func(m meddler) { m.tamper("ci-secret", repository, "OLD_TOKEN", "x") }, []string{"unmanaged-at-consumer:repository/" + repository + "/OLD_TOKEN"}, nil},
		{"foreign CI secret of an environment", func(m meddler) {
			m.tamper("ci-secret", repository+":"+world.EnvironmentName, "OLD_TOKEN", "x")
		}, []string{"unmanaged-at-consumer:environment/" + repository + "/" + world.EnvironmentName + "/OLD_TOKEN"}, nil},
		{"foreign CI secret of the organization", func(m meddler) { m.tamper("ci-secret", world.OrganizationName, "OLD_TOKEN", "x") },
			[]string{"unmanaged-at-consumer:organization/" + world.OrganizationName + "/OLD_TOKEN"}, nil},
	}
}

const foreignKey = "sk_live_0123456789abcdefFOREIGN"

func atTheServices() []change {
	return []change{
		{"value changed at a Worker", func(m meddler) { m.tamper("worker-secret", badges, "CLERK_SECRET_KEY", foreignKey) },
			[]string{"value-differs:clerk/" + badges, "foreign-change:worker/" + badges}, []string{"resource-drift:stack/" + badges + "/*"}},
		{"foreign secret at a Worker", func(m meddler) { m.tamper("worker-secret", badges, "OLD_NAME", "x") }, []string{"unmanaged-at-consumer:worker/" + badges + "/OLD_NAME"}, nil},
		{"container's value changed", func(m meddler) { m.tamper("container-secret", payments, "STRIPE_SECRET_KEY", foreignKey) },
			[]string{"value-differs:stripe/" + payments, "resource-drift:stack/" + payments + "/container|foreign-change:" + containerRow}, []string{"resource-drift:stack/" + payments + "/container", "foreign-change:" + containerRow}},
		{"foreign secret at a container", func(m meddler) { m.tamper("container-secret", payments, "DEBUG_TOKEN", "x") },
			[]string{"resource-drift:stack/" + payments + "/container"}, nil},
		{"unknown Cloudflare token", func(m meddler) { m.tamper("token-created", "cloudflare") }, []string{"unlisted-credential:cloudflare/*"}, nil},
		{"unknown Scaleway key", func(m meddler) { m.tamper("token-created", "scaleway") }, []string{"unlisted-credential:scaleway/*"}, nil},
		{"unknown webhook endpoint", func(m meddler) { m.tamper("webhook-left", "https://payments.verifieddit.com/stripe/webhook") }, []string{"unlisted-credential:stripe/*"}, nil},
		{"the token ends soon", func(m meddler) { m.tamper("expires", m.holds("cloudflare", "api-token").ID, "5d") }, []string{"expiring:cloudflare"}, nil},
		{"old key still alive", func(m meddler) { m.tamper("revived", m.dead("clerk", "secret-key")) }, []string{"old-still-alive:clerk"}, nil},
		{"a lock left behind", func(m meddler) { m.tamper("state-locked", "infra") }, []string{"unfinished-rotation:stack/infra"}, nil},
	}
}

func gone() []change {
	return []change{
		{"secret deleted at a Worker", func(m meddler) { m.tamper("worker-no-secret", badges, "SIGHTENGINE_API_SECRET") },
			[]string{"missing-at-consumer:sightengine/" + badges + "/SIGHTENGINE_API_SECRET"}, []string{"value-differs:sightengine/" + badges, "foreign-change:worker/" + badges, "resource-drift:stack/" + badges + "/*"}},
		{"config removed", func(m meddler) { m.tamper("config-removed", payments, "stripe-webhook-secret") },
			[]string{"missing-at-consumer:stripe/" + payments + "/stripe-webhook-secret"}, nil},
		{"container's secret deleted", func(m meddler) { m.tamper("container-no-secret", payments, "CLERK_SECRET_KEY") },
			[]string{"value-differs:clerk/" + payments + "|missing-at-consumer:clerk/" + payments + "/CLERK_SECRET_KEY"}, []string{"foreign-change:" + containerRow, "resource-drift:stack/" + payments + "/*"}},
		{"key revoked at the issuer", func(m meddler) { m.tamper("revoked", m.holds("stripe", "secret-key").ID) }, []string{"credential-dead:stripe"}, []string{"value-differs:stripe/" + payments}},
		{"state edited, a secret", func(m meddler) {
			m.tamper("state-edited", badges, badges+"/CLERK_SECRET_KEY", "secretText", foreignKey)
		}, []string{"resource-drift:stack/" + badges + "/" + badges + "/CLERK_SECRET_KEY"}, nil},
	}
}

func inPass() []change {
	return []change{
		{"an entry that nobody declared", func(m meddler) { m.tamper("pass-entry-added", "sanmarcsoft/paypal/key", "pp_live_1") }, []string{"unknown-entry:sanmarcsoft/paypal/key"}, nil},
		{"an entry is gone", func(m meddler) { m.tamper("pass-entry-removed", "aws/account-id") }, []string{"missing-entry:aws/account-id"}, nil},
		{"pass edited and not rolled out", func(m meddler) { m.tamper("pass-edited", clerkKey, m.issued("clerk", "secret-key")) },
			[]string{"stale-consumer:clerk/" + badges, "stale-consumer:clerk/" + payments, "stale-consumer:clerk/" + payments + "/clerk-secret-key"}, []string{"stale-consumer:clerk/" + badges + "/clerk-secret-key"}},
		{"the store's key ends soon", func(m meddler) { m.tamper("pass-key-expires", "5d") }, []string{"expiring:key/*"}, nil},
		{"config edited", func(m meddler) { m.tamper("config-edited", payments, "stripe-secret-key", foreignKey) },
			[]string{"value-differs:stripe/" + payments + "/stripe-secret-key", uncommitted}, []string{"resource-drift:stack/" + payments + "/container"}},
		// Its rotation has not ended then, which is what a person would see to.
		{"journal truncated", func(m meddler) { m.tamper("journal-truncated", "scaleway") }, []string{"foreign-change:journal/scaleway|unfinished-rotation:scaleway"}, nil},
		{"state edited", func(m meddler) { m.tamper("state-edited", "infra", "registry", "description", "Images of nobody") }, []string{"resource-drift:stack/infra/registry"}, nil},
	}
}

// Every change that somebody makes behind the program's back is found, said
// right, and nothing else is said to have changed.
func TestDriftFindsWhatWasDoneBehindItsBack(t *testing.T) {
	kinds := 0
	for _, c := range everyChange() {
		kinds += len(c.all)
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := c.make(t)
			w.opened(func(s *sandbox.Sandbox) {
				w.later()
				for _, one := range c.all {
					one.do(meddler{w, s})
				}
			})
			var args []string
			if c.args != nil {
				args = c.args(w)
			}
			w.settle()
			report := w.drift(args...)
			for _, one := range c.all {
				for _, key := range one.want {
					require.True(t, report.has(key), "%s: %s is missing; there are\n  %s\ngaps\n  %s", one.name, key,
						strings.Join(report.keys(true), "\n  "), strings.Join(report.gaps(), "\n  "))
				}
			}
			report.nothingElse(t, c.all)
			require.Equal(t, "drift", report.Answer)
		})
	}
	require.GreaterOrEqual(t, kinds, 18)
}

// later puts the services' clocks forward: what happens within a minute of a write
// of ours may be ours, as clocks differ.
func (w *sandboxed) later() {
	w.change(func(s *world.State) { s.Settings.ClockOffset += world.Millis((3 * time.Minute).Milliseconds()) })
}

// settle waits until every consumer runs with what it will run with.
func (w *sandboxed) settle() {
	w.t.Helper()
	opened, err := world.Open(w.dir)
	require.NoError(w.t, err)
	w.await("every consumer has settled", func() bool {
		settled := true
		require.NoError(w.t, opened.Read(func(s *world.State) {
			now := s.Now()
			for name := range s.Workers {
				settled = settled && maps.Equal(s.WorkerRuns(name, now), s.WorkerRuns(name, now.Add(time.Hour)))
			}
			for _, c := range s.Containers {
				settled = settled && maps.Equal(s.ContainerRuns(c.ID, now), s.ContainerRuns(c.ID, now.Add(time.Hour))) && !now.Before(c.SettledAt)
			}
		}))
		return settled
	})
}

// like reports whether one of the patterns of want, with * for anything in a
// subject, is the key.
func like(want, key string) bool {
	return slices.ContainsFunc(strings.Split(want, "|"), func(pattern string) bool {
		// A * in a subject may hold slashes.
		fits, err := filepath.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(key, "/", "\x00"))
		return err == nil && fits
	})
}

func (c checked) has(want string) bool {
	return slices.ContainsFunc(c.keys(true), func(key string) bool { return like(want, key) })
}

// nothingElse: what changes the answer is one of those that were expected.
func (c checked) nothingElse(t *testing.T, all []change) {
	t.Helper()
	for _, key := range c.keys(false) {
		expected := slices.ContainsFunc(all, func(one change) bool {
			return slices.ContainsFunc(slices.Concat(one.want, one.may), func(want string) bool { return like(want, key) })
		})
		require.True(t, expected, "%s was not expected: %s", key, c.detail(key))
	}
}
