package inventory

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// names are the projects' folders and stacks as FOLDER:STACK, and the Workers.
func (c company) names(own Declared) (stacks, workers []string) {
	c.t.Helper()
	projects, found, err := Scan(c.root, own)
	require.NoError(c.t, err)
	for _, p := range projects {
		for _, s := range p.Stacks {
			stacks = append(stacks, p.Dir+":"+s.Name)
		}
	}
	for _, w := range found {
		workers = append(workers, w.File+":"+w.Name+w.Problem)
	}
	return stacks, workers
}

// A project is found in a hidden folder, in the folder that one works in, and
// with files of either ending; dependencies and tools have none.
func TestProjectsAreFoundWhereTheyAre(t *testing.T) {
	c := newCompany(t)
	c.file("Pulumi.yaml", "name: own\nruntime: go\n")
	c.file("Pulumi.prod.yaml", "config: {}\n")
	c.file("Pulumi.edge.yaml", "config: {}\n")
	c.file(".infra/Pulumi.yml", "name: hidden\nruntime: go\n")
	c.file(".infra/Pulumi.dev.yml", "config: {}\n")
	c.file(".git/Pulumi.yaml", "name: no\nruntime: go\n")
	c.file(".git/Pulumi.dev.yaml", "config: {}\n")
	c.file(".sandbox/projects/Pulumi.yaml", "name: no\nruntime: go\n")
	c.file(".sandbox/projects/Pulumi.dev.yaml", "config: {}\n")
	c.file("mixed/Pulumi.yaml", "name: mixed\nruntime: go\n")
	c.file("mixed/Pulumi.dev.yml", "config: {}\n")
	stacks, _ := c.names(Declared{Dir: c.root, Stacks: []string{"edge"}})
	require.ElementsMatch(t, []string{".:prod", ".infra:dev", "mixed:dev"}, stacks)
	projects, _, err := Scan(c.root, Declared{})
	require.NoError(t, err)
	for _, p := range projects {
		for _, s := range p.Stacks {
			require.Equal(t, p.Dir == "mixed", s.Problem != "", "Pulumi does not read Pulumi.dev.yml beside Pulumi.yaml")
		}
	}
	// Nothing but declared stacks: this program's own folder.
	_, _ = c.names(Declared{})
	stacks, _ = c.names(Declared{Dir: c.root, Stacks: []string{"edge", "prod"}})
	require.NotContains(t, stacks, ".:edge")
	require.NotContains(t, stacks, ".:prod")
}

// A Worker is called what the top level says, and what its environments say.
func TestWorkersOfAWranglerConfig(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		want       []string
	}{
		"a binding's name comes first": {"wrangler.json", `{"durable_objects": {"bindings": [{"name": "COUNTER"}]}, "name": "shop"}`, []string{"shop"}},
		"comments and commas":          {"wrangler.jsonc", "\uFEFF{ // \"name\": \"a\"\n /* \"name\": \"b\" */ \"vars\": {\"u\": \"https://x/*,]\\\"\",},\n \"name\": \"shop\",\n}", []string{"shop"}},
		"environments":                 {"wrangler.jsonc", `{"name": "shop", "env": {"staging": {}, "prod": {"name": "the-shop", "env": {"deeper": {}}}}}`, []string{"shop", "the-shop", "shop-staging"}},
		"toml":                         {"wrangler.toml", "main = \"x\"\nname = 'shop' # it\n[[kv_namespaces]]\nname = \"no\"\n[env.staging.vars]\nname = \"no\"\n[env.prod]\nname = \"the-shop\"\n", []string{"shop", "the-shop", "shop-staging"}},
		"no name":                      {"wrangler.toml", "main = \"x\"\n[env.prod]\nvars = {}\n", nil},
		"not well-formed":              {"wrangler.json", `{"name": sk_live_0123456789}`, []string{"it is not well-formed"}},
		"comment without an end":       {"wrangler.jsonc", `{"name": "shop"} /* and`, []string{"shop"}},
	} {
		t.Run(name, func(t *testing.T) {
			company := newCompany(t)
			company.file(c.file, c.text)
			_, workers := company.names(Declared{})
			var want []string
			for _, w := range c.want {
				want = append(want, c.file+":"+w)
			}
			require.Equal(t, want, workers)
		})
	}
}

// An entry is proposed under whatever name pass gives it, and where its secret is.
func TestEntriesOfAnyName(t *testing.T) {
	f := Found{State: "file:///state", Entries: []Entry{
		{Path: "stripe me@example.com", Value: value(stripeLive)}, {Path: "web/clerk a+b=c", Value: value(clerkLive), Read: "field:Password"}, {Path: "bad:name/stripe", Value: value(stripeLive)},
	}}
	cat, text := accepted(t, f)
	require.Len(t, cat.Secrets, 2)
	require.Equal(t, "stripe me@example.com", cat.Secrets[0].Entries[0].Path)
	require.Equal(t, "web/clerk a+b=c", cat.Secrets[1].Entries[0].Path)
	require.EqualValues(t, "field:Password", cat.Secrets[1].Entries[0].Read)
	require.Contains(t, text, "bad:name/stripe: a catalog takes names of")
}
