package secrets_test

import (
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func embedded(t *testing.T) *secrets.Catalog {
	t.Helper()
	cat, err := secrets.Embedded()
	require.NoError(t, err)
	return cat
}

// treePaths reads the tree of the pass store as the hand procedure draws it:
// two blanks a level, folders end in a slash.
func treePaths(t *testing.T) []string {
	t.Helper()
	tree, err := os.ReadFile("testdata/pass-tree.txt")
	require.NoError(t, err)
	var paths, folders []string
	for line := range strings.Lines(string(tree)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		level := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		if name == "" || level == 0 {
			continue
		}
		folders = folders[:level-1]
		if folder, ok := strings.CutSuffix(name, "/"); ok {
			folders = append(folders, folder)
		} else {
			paths = append(paths, path.Join(append(slices.Clone(folders), name)...))
		}
	}
	slices.Sort(paths)
	return paths
}

func TestEmbeddedIsTheStoreOfTheHandProcedure(t *testing.T) {
	var paths []string
	cat := embedded(t)
	for _, id := range cat.Identifiers {
		paths = append(paths, id.Path)
	}
	for _, s := range cat.Secrets {
		for _, e := range s.Entries {
			paths = append(paths, e.Path)
		}
	}
	slices.Sort(paths)
	require.Len(t, paths, 17)
	require.Equal(t, treePaths(t), paths)
}

// copies lists what a catalog gives to whom: SECRET ENTRY -> KIND PLACE NAME.
func copies(cat *secrets.Catalog) []string {
	var out []string
	for _, s := range cat.Secrets {
		for _, c := range s.Consumers {
			place := string(c.Kind) + " " + c.Stack + c.Name
			if c.Kind == secrets.KindConfig {
				place = "config " + c.Stack
			}
			if c.Kind == secrets.KindWorker {
				place = "worker " + c.Worker
			}
			for name, entry := range c.Values {
				out = append(out, s.Name+" "+entry+" -> "+place+" "+name)
			}
			if len(c.Values) == 0 {
				out = append(out, s.Name+" -> "+place)
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestEmbeddedReachesEveryConsumerOfTheHandProcedure(t *testing.T) {
	require.Equal(t, []string{
		"clerk secret-key -> config stripe-backend clerk-secret-key",
		"clerk secret-key -> worker verifieddit-badges CLERK_SECRET_KEY",
		"cloudflare -> pass readers-of-pass",
		"scaleway -> backend state-backend",
		"scaleway -> registry registry",
		"scaleway access-key -> config infra scaleway-access-key",
		"scaleway access-key -> config stripe-backend scaleway-access-key",
		"scaleway api-secret -> config infra scaleway-secret-key",
		"scaleway api-secret -> config stripe-backend scaleway-secret-key",
		"sightengine api-secret -> worker verifieddit-badges SIGHTENGINE_API_SECRET",
		"sightengine api-user -> worker verifieddit-badges SIGHTENGINE_API_USER",
		"stripe secret-key -> config stripe-backend stripe-secret-key",
		"stripe webhook-secret -> config stripe-backend stripe-webhook-secret",
	}, copies(embedded(t)))
}

func TestEmbeddedNamesTheRealPlaces(t *testing.T) {
	cat := embedded(t)
	for name, want := range map[string]secrets.Stack{
		"infra":              {Name: "infra", Dir: "infra", Stack: "*"},
		"stripe-backend":     {Name: "stripe-backend", Dir: "services/stripe-backend/infra"},
		"verifieddit-badges": {Name: "verifieddit-badges", Declared: true, Providers: "hosted"},
	} {
		stack, ok := cat.Stack(name)
		require.True(t, ok)
		require.Equal(t, want, stack)
	}
	require.True(t, strings.HasPrefix(cat.State.URL, "s3://sanmarcsoft-pulumi-state?region=fr-par&endpoint=https://s3.fr-par.scw.cloud&"))
	require.Equal(t, "sanmarcsoft/verifieddit-www", cat.Services.Scaleway.Image)
	local, ok := cat.Environment("pulumi")
	require.True(t, ok)
	require.Equal(t, cat.State.URL, cat.Text(local)["PULUMI_BACKEND_URL"])

	sightengine, _ := cat.Secret("sightengine")
	require.True(t, sightengine.Dashboard.KillsOld)
	for _, s := range cat.Secrets {
		require.NotEmpty(t, s.Dashboard.URL, s.Name)
		require.NotEmpty(t, s.Dashboard.Issue, s.Name)
		require.NotZero(t, s.MaxAge, s.Name)
		require.True(t, s.Dashboard.KillsOld || len(s.Dashboard.Retire) > 0, s.Name)
		for _, e := range s.Entries {
			require.NotEmpty(t, e.Pattern, e.Path)
			require.NotEmpty(t, e.Expect, e.Path)
		}
	}
}

func TestGraph(t *testing.T) {
	want, err := os.ReadFile("testdata/catalog.mmd")
	require.NoError(t, err)
	require.Equal(t, string(want), embedded(t).Graph())

	cat := embedded(t)
	cat.Secrets[0].Title = `the "token"`
	require.Contains(t, cat.Graph(), `secret1["cloudflare: the #quot;token#quot;"]`)
}
