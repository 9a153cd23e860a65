//go:build slow

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
)

// mendable are the changes that the program can put right itself.
func mendable() []changes {
	return []changes{
		{name: "values", make: settledWorld, all: []change{
			{"value changed at a Worker", func(m meddler) { m.tamper("worker-secret", badges, "CLERK_SECRET_KEY", foreignKey) }, []string{"value-differs:clerk/" + badges}, nil},
			atTheServices()[2], // a container's value
			{"config edited", func(m meddler) { m.tamper("config-edited", payments, "clerk-secret-key", foreignKey) }, []string{"value-differs:clerk/" + payments + "/clerk-secret-key"}, nil},
			{"a lock left behind", func(m meddler) { m.tamper("state-locked", "infra"); m.killed("infra") }, []string{"unfinished-rotation:stack/infra"}, nil},
		}},
		{name: "what is gone", make: settledWorld, all: []change{
			gone()[0], // a Worker's secret
			gone()[3], // the key at the issuer
			{"a commit only at the remote", func(m meddler) {
				m.tamper("pass-behind", "aws/phenom-drop/ecr-repo", "210987654321.dkr.ecr.eu-west-1.amazonaws.com/phenom-drop")
			}, []string{"behind:pass"}, nil},
		}},
		{name: "what pass holds", make: settledWorld, all: []change{
			{"pass edited and not rolled out", func(m meddler) {
				rolled := m.roll("stripe")
				m.tamper("pass-edited", stripeKey, rolled["secret-key"])
				m.tamper("pass-edited", stripeHook, rolled["webhook-secret"])
			}, []string{"stale-consumer:stripe/" + payments}, nil},
			{"the token ends soon", func(m meddler) { m.tamper("expires", m.holds("cloudflare", "api-token").ID, "5d") }, []string{"expiring:cloudflare"}, nil},
			{"pass not pushed", func(m meddler) {
				m.tamper("pass-unpushed", "aws/phenom-drop/ecr-repo", "210987654321.dkr.ecr.eu-west-1.amazonaws.com/phenom-drop")
			}, []string{"unpushed:pass"}, nil},
		}},
	}
}

// ways are how the findings are mended.
var ways = map[string]func(w *sandboxed, c checked){
	// Every finding's command is typed as it stands, --yes aside.
	"each command typed": func(w *sandboxed, c checked) {
		done := []string{}
		for _, f := range c.Findings {
			if f.Severity == "info" || slices.Contains(done, f.Fix) {
				continue
			}
			done = append(done, f.Fix)
			line := f.Fix
			if strings.HasPrefix(line, "go run . ") {
				line = strings.Replace(line, "go run .", shared.binary, 1) + " --yes"
			}
			r := w.exec("", "sh", "-c", line)
			require.Zero(w.t, r.code, "%s: %s\n%s", f.key(), f.Fix, tail(r.stderr, 20))
		}
		require.NotEmpty(w.t, done)
	},
	"drift --fix": func(w *sandboxed, _ checked) {
		r := w.run("drift", "--fix", "--yes")
		require.Zero(w.t, r.code, "%s\n%s", r.stdout, tail(r.stderr, 30))
	},
}

// What the program can put right it does, by the commands that the findings name
// and by `drift --fix`, and the next night is clean.
func TestDriftFindingsAreMended(t *testing.T) {
	for _, c := range mendable() {
		for name, mend := range ways {
			t.Run(c.name+", "+name, func(t *testing.T) {
				t.Parallel()
				w := c.make(t)
				w.opened(func(s *sandbox.Sandbox) {
					for _, one := range c.all {
						one.do(meddler{w, s})
					}
				})
				w.settle()
				before := w.drift()
				for _, one := range c.all {
					for _, key := range one.want {
						require.True(t, before.has(key), "%s: %s is missing of %v", one.name, key, before.keys(true))
					}
				}
				mend(w, before)
				w.settle()
				after := w.drift()
				require.Equal(t, []any{"clean", []string{}}, []any{after.Answer, after.keys(false)}, "%v", after.gaps())
				for _, consumer := range []string{badges, payments} {
					require.Equal(t, w.pass(clerkKey), w.truth().Consumers[consumer].RunsWith["CLERK_SECRET_KEY"], consumer)
				}
				require.Equal(t, w.pass(stripeKey), w.truth().Consumers[payments].RunsWith["STRIPE_SECRET_KEY"])
			})
		}
	}
}
