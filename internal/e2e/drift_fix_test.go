//go:build slow

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
)

// mendable are the changes that a rotation or a roll-out puts right.
func mendable() []changes {
	return []changes{
		{name: "values", make: settledWorld, all: []change{
			atTheServices()[0], // a Worker's value
			atTheServices()[2], // a container's value
			{"config edited", func(m meddler) { m.tamper("config-edited", payments, "clerk-secret-key", foreignKey) }, []string{"value-differs:clerk/" + payments + "/clerk-secret-key"}, nil},
		}},
		{name: "what is gone", make: settledWorld, all: []change{gone()[0], gone()[2], gone()[3]}},
		{name: "old ones", make: settledWorld, all: []change{
			{"old key still alive", func(m meddler) { m.tamper("revived", m.dead("clerk", "secret-key")) }, []string{"old-still-alive:clerk"}, nil},
			{"pass edited and not rolled out", func(m meddler) {
				rolled := m.roll("stripe")
				m.tamper("pass-edited", stripeKey, rolled["secret-key"])
				m.tamper("pass-edited", stripeHook, rolled["webhook-secret"])
			}, []string{"stale-consumer:stripe/" + payments}, nil},
			{"pass not pushed", func(m meddler) {
				m.tamper("pass-unpushed", "aws/phenom-drop/ecr-repo", "210987654321.dkr.ecr.eu-west-1.amazonaws.com/phenom-drop")
			}, []string{"unpushed:pass"}, nil},
		}},
	}
}

// What a rotation or a roll-out puts right, `drift --fix` does after one
// question, and the next night is clean.
func TestDriftFixMends(t *testing.T) {
	for _, c := range mendable() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := c.make(t)
			w.opened(func(s *sandbox.Sandbox) {
				w.later()
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
			r := w.run("drift", "--fix", "--yes")
			require.Zero(t, r.code, "%s\n%s", r.stdout, tail(r.stderr, 30))
			w.settle()
			after := w.drift()
			require.Equal(t, []any{"clean", []string{}}, []any{after.Answer, after.keys(false)}, "%s", after.stdout)
			for name := range map[string]bool{badges: true, payments: true} {
				require.Equal(t, w.pass(clerkKey), w.truth().Consumers[name].RunsWith["CLERK_SECRET_KEY"], name)
			}
		})
	}
}
