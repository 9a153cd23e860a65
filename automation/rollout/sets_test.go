package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// What is rotated is written, what the state has not is written, what was lost is
// written again, and everything else is at most taken over: at every holder.
func TestSetsOfADeclaredStack(t *testing.T) {
	consumer := func(c secrets.Consumer, names ...string) secrets.Consumer {
		c.Name, c.Stack, c.Values = string(c.Kind)+c.Holder(), "s", map[string]string{}
		for _, name := range names {
			c.Values[name] = "key"
		}
		return c
	}
	shop := secrets.Consumer{Kind: secrets.KindContainer, Container: "shop", Namespace: "space", Region: "fr-par"}
	cat := &secrets.Catalog{Stacks: []secrets.Stack{{Name: "s", Declared: true}}, Secrets: []secrets.Secret{{Name: "x", Entries: []secrets.Entry{{Path: "a/key"}}, Consumers: []secrets.Consumer{
		consumer(secrets.Consumer{Kind: secrets.KindWorker, Worker: "w"}, "MOVED", "KEPT", "DIFFERS"),
		consumer(shop, "MOVED", "KEPT", "DIFFERS"),
		consumer(secrets.Consumer{Kind: secrets.KindActions, Repository: "o/n"}, "MOVED", "KEPT", "DIFFERS"),
	}}}}
	keys := stacks.Keys(cat, "s")
	require.Len(t, keys, 9)
	target := &Target{fleet: &Fleet{Account: "account"}, Entry: cat.Stacks[0], Refs: keys, Values: map[string]secrets.Value{}, Again: []string{"shop-moved"}}
	want := map[string]secrets.Value{}
	for key, ref := range keys {
		target.Values[key] = secrets.NewValue([]byte("old " + key))
		if ref.Name == "MOVED" {
			want[key] = secrets.NewValue([]byte("new " + key))
		}
	}
	target.updates = map[string][]string{"w/DIFFERS": {"secretText"}, "container/fr-par/space/shop": {"secretEnvironmentVariables.DIFFERS"}, "repository/o/n/DIFFERS": {"value"}}
	sets := target.sets(want)
	require.Len(t, sets, 3)
	for name, prefix := range map[hosted.Package]string{hosted.Cloudflare: "", hosted.Scaleway: "shop-", hosted.GitHub: "o-n-"} {
		require.Len(t, sets[name], 1, name)
		set := sets[name][0]
		require.Len(t, set.Write, 2, name)
		require.True(t, set.Write["MOVED"].Equal(want[prefix+"moved"]), name)
		require.True(t, set.Write["DIFFERS"].Equal(target.Values[prefix+"differs"]), name)
		require.Len(t, set.Adopt, 1, name)
		require.True(t, set.Adopt["KEPT"].Equal(target.Values[prefix+"kept"]), name)
		require.Equal(t, name == hosted.Scaleway, len(set.Again) == 1, name)
	}
	require.Equal(t, hosted.Holder{Kind: hosted.Worker, Scope: "account", Name: "w"}, sets[hosted.Cloudflare][0].Holder)
}
