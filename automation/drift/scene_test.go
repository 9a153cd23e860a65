package drift

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

func value(s string) secrets.Value { return secrets.NewValue([]byte(s)) }

// company is a scene over the embedded catalog, without a store or a network.
func company(t *testing.T, stacks ...string) *scene {
	t.Helper()
	cat, err := secrets.Embedded()
	require.NoError(t, err)
	return newScene(&Checker{Catalog: cat, Fleet: &rollout.Fleet{Account: "acc"}, Asker: &proof.Asker{}, Stacks: stacks,
		Hide: func(...secrets.Value) {}, Now: func() time.Time { return time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC) }})
}

func TestAStackLimitsWhatIsLookedAt(t *testing.T) {
	s := company(t, "verifieddit-badges")
	var names []string
	for _, sec := range s.chosen {
		names = append(names, sec.Name)
		for _, c := range s.consumers(sec) {
			require.Equal(t, "verifieddit-badges", c.Stack)
		}
	}
	require.Equal(t, []string{"clerk", "sightengine"}, names)
	require.Len(t, company(t).chosen, 6)
}

func TestOfSeveralSecretsOnAStackTheOneThatReachesLeastIsRolled(t *testing.T) {
	s := company(t)
	require.Equal(t, "stripe", s.onStack("stripe-backend"))
	require.Equal(t, "scaleway", s.onStack("infra"))
	require.Equal(t, "sightengine", s.onStack("verifieddit-badges"))
	require.Empty(t, s.onStack("nothing"))
}

func TestCovers(t *testing.T) {
	s := company(t)
	s.Catalog.Store.Ignore = []string{"verifieddit/old/*"}
	for path, want := range map[string]bool{"verifieddit/new": true, "cloudflare/zones/x": true, "cloudflared/x": false, "private/x": false,
		"rotation/pending/verifieddit/clerk/secret-key": false, "verifieddit/old/x": false, "verifieddit/old/x/y": true} {
		require.Equal(t, want, s.covers(path), path)
	}
	known := s.catalogued()
	for _, path := range []string{"cloudflare/api-token", "cloudflare/account-id", "verifieddit/clerk/publishable-key", "sightengine/api-user"} {
		require.True(t, known[path], path)
	}
	require.False(t, known[""])
}

func TestHoldersAreAskedOnceForAllTheirNames(t *testing.T) {
	found := company(t).holders()
	require.Len(t, found, 1)
	require.Equal(t, hosted.Holder{Kind: hosted.Worker, Scope: "acc", Name: "verifieddit-badges"}, found[0].holder)
	require.Len(t, found[0].names, 3)
	require.Equal(t, owned{"clerk", "verifieddit-badges", "verifieddit-badges"}, found[0].names["CLERK_SECRET_KEY"])
	require.Equal(t, "worker/verifieddit-badges", subject(found[0].holder))
	require.Equal(t, "container/prod/shop", subject(hosted.Holder{Kind: hosted.Container, Scope: "fr-par/prod", Name: "shop"}))
	require.Equal(t, "environment/acme/shop/live", subject(hosted.Holder{Kind: hosted.Environment, Scope: "acme/shop", Name: "live"}))
	require.Equal(t, "repository/acme/shop", subject(hosted.Holder{Kind: hosted.Repository, Name: "acme/shop"}))
}

// A refused proof is another value until somebody shows otherwise; silence is a gap.
func TestJudged(t *testing.T) {
	s := company(t)
	worker := secrets.Consumer{Kind: secrets.KindWorker, Worker: "w", Probe: secrets.Probe{By: "attest"}}
	local := secrets.Consumer{Probe: secrets.Probe{By: "environ"}}
	for name, c := range map[string]struct {
		r    proof.Result
		at   secrets.Consumer
		want Code
	}{
		"match":                        {proof.Result{Answer: proof.Match}, worker, ""},
		"by name":                      {proof.Result{Answer: proof.Present}, worker, ""},
		"silent":                       {proof.Result{Answer: proof.Unreachable}, worker, ""},
		"tells nothing":                {proof.Result{Answer: proof.Unknown}, worker, ""},
		"refuses":                      {proof.Result{Answer: proof.Unknown, Refused: true}, worker, ValueDiffers},
		"another":                      {proof.Result{Answer: proof.Differs}, local, ValueDiffers},
		"one from before":              {proof.Result{Answer: proof.Differs, Has: oldValue}, worker, StaleConsumer},
		"set too early":                {proof.Result{Answer: proof.Differs, Older: true}, worker, StaleConsumer},
		"no name, told by names":       {proof.Result{Answer: proof.Differs, Lacks: true}, worker, ""},
		"no name, told by nobody else": {proof.Result{Answer: proof.Differs, Lacks: true}, local, MissingAtConsumer},
		"the config beside it":         {proof.Result{Answer: proof.Differs, Beside: true}, worker, ""},
	} {
		require.Equal(t, c.want, s.judged(c.r, c.at), name)
	}
}

func TestWritesOfOursAreTold(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 23, 3, minute, 0, 0, time.UTC) }
	spans := []span{{at(10), at(12)}}
	for minute, want := range map[int]bool{9: false, 10: true, 11: true, 12: true, 13: false} {
		require.Equal(t, want, within(spans, at(minute)), minute)
	}
}

// A copy in a .env file is found whatever its name is and however it is quoted; a
// file of a dependency is nobody's here, and a short value is found everywhere.
func TestCopiesInFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) {
		file := filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	write("shop/.env", "# comment\nPORT=8080\nexport KEY=\"sk_live_0123456789abcdef\"\nOLD=sk_live_other\n")
	write("shop/.dev.vars", "THE_KEY = 'sk_live_0123456789abcdef'\n#KEY=sk_live_0123456789abcdef\n")
	write("prod.env", "A=1\r\nB=sk_live_0123456789abcdef\r\n")
	write("shop/node_modules/x/.env", "KEY=sk_live_0123456789abcdef\n")
	write("shop/main.go", "KEY=sk_live_0123456789abcdef\n")
	write("long/.env", "CERT="+strings.Repeat("x", 100_000)+"\nKEY=sk_live_0123456789abcdef # the live one\n")
	write("elsewhere/vars", "LINKED=sk_live_0123456789abcdef\n")
	require.NoError(t, os.Symlink(filepath.Join(dir, "elsewhere", "vars"), filepath.Join(dir, "long", ".env.local")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "shop", "x.env"), 0o700))
	s := company(t)
	s.Search = []string{dir}
	var out sheet
	s.dotenv([]original{{"stripe", "secret-key", value("sk_live_0123456789abcdef")}}, &out)
	var subjects []string
	for _, f := range out.findings {
		subjects = append(subjects, f.Subject)
		require.Equal(t, UnmanagedAtConsumer, f.Code)
		require.Equal(t, "stripe", f.Secret)
		require.NotContains(t, f.Detail+f.Fix, "sk_live_", "a finding holds no value")
	}
	require.ElementsMatch(t, []string{"file/shop/.env/KEY", "file/shop/.dev.vars/THE_KEY", "file/prod.env/B", "file/long/.env/KEY", "file/long/.env.local/LINKED"}, subjects)
	require.Empty(t, out.gaps)

	out = sheet{next: func(error) string { return "" }}
	s.Search = []string{filepath.Join(dir, "nowhere")}
	s.dotenv(nil, &out)
	require.Len(t, out.gaps, 1, "a folder that cannot be looked through is no clean one")
}

// Hashes are dear: the value that the variable's name speaks of is tried first.
func TestLikely(t *testing.T) {
	all := []original{{"clerk", "secret-key", value("a")}, {"stripe", "webhook-secret", value("b")}, {"stripe", "secret-key", value("c")}}
	require.Equal(t, "webhook-secret", likely("STRIPE_WEBHOOK_SECRET", all)[0].entry)
	require.Equal(t, "clerk", likely("CLERK_SECRET_KEY", all)[0].secret)
	require.True(t, likely("STRIPE_SECRET_KEY", all)[0].value.Equal(all[2].value))
	require.Len(t, likely("OTHER", all), 3)
}

func TestAConfigSecretOfACataloguedStackIsDeclared(t *testing.T) {
	s := company(t)
	require.True(t, s.declares("services/stripe-backend/infra", "prod", "stripe-secret-key"))
	require.True(t, s.declares("infra", "any", "scaleway-secret-key"), "'*' stands for every stack of the project")
	require.False(t, s.declares("infra", "prod", "stripe-secret-key"))
	require.False(t, s.declares("other", "prod", "scaleway-secret-key"))
}

func TestAcceptanceIsACommandForAShell(t *testing.T) {
	require.Equal(t, "go run . drift accept unmanaged-at-consumer:worker/w/N --until 2027-02-23 --reason TEXT", company(t).acceptance(UnmanagedAtConsumer, "worker/w/N"))
	require.Equal(t, "go run . drift accept 'unmanaged-at-consumer:file/a$b/N' --until 2027-02-23 --reason TEXT", company(t).acceptance(UnmanagedAtConsumer, "file/a$b/N"))
}
