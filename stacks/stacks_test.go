package stacks_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks"
)

const account = "0123456789abcdef0123456789abcdef"

// inventory has the shape of the real one: a pair on one Worker, a secret on a
// Worker and on an existing project.
func inventory() *secrets.Catalog {
	return &secrets.Catalog{
		Stacks: []secrets.Stack{
			{Name: "badges", Declared: true, Providers: "hosted"},
			{Name: "payments", Dir: "services/payments/infra"},
		},
		Secrets: []secrets.Secret{
			{
				Name: "clerk", Entries: []secrets.Entry{{Path: "verifieddit/clerk/secret-key"}},
				Consumers: []secrets.Consumer{
					{
						Name: "badges", Kind: secrets.KindWorker, Stack: "badges", Worker: "badges-worker",
						Values: map[string]string{"CLERK_SECRET_KEY": "secret-key"},
					},
					{
						Name: "payments", Kind: secrets.KindConfig, Stack: "payments",
						Values:   map[string]string{"clerk-secret-key": "secret-key", "clerk-spare": "secret-key"},
						Optional: []string{"clerk-spare"},
					},
				},
			},
			{
				Name:    "sightengine",
				Entries: []secrets.Entry{{Path: "sightengine/api-user"}, {Path: "sightengine/api-secret"}},
				Consumers: []secrets.Consumer{{
					Name: "badges", Kind: secrets.KindWorker, Stack: "badges", Worker: "badges-worker",
					Values: map[string]string{"SIGHTENGINE_API_USER": "api-user", "SIGHTENGINE_API_SECRET": "api-secret"},
				}},
			},
		},
	}
}

// recorder is a monitor that keeps every registration.
type recorder struct {
	mu   sync.Mutex
	seen []pulumi.MockResourceArgs
}

func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, args)
	return args.Name + "-id", args.Inputs, nil
}

func (r *recorder) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return resource.PropertyMap{}, nil
}

func (r *recorder) names() []string {
	var names []string
	for _, s := range r.seen {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}

// run runs the program with config, all of it marked secret but what plain names.
func run(program stacks.Program, config map[string]string, plain ...string) (*recorder, error) {
	r := &recorder{}
	return r, pulumi.RunErr(program, pulumi.WithMocks("proj", "badges", r), func(info *pulumi.RunInfo) {
		info.Config = map[string]string{}
		for key, v := range config {
			info.Config["proj:"+key] = v
			if !slices.Contains(plain, key) {
				info.ConfigSecretKeys = append(info.ConfigSecretKeys, "proj:"+key)
			}
		}
	})
}

func values(mark string) map[string]string {
	return map[string]string{
		"clerk-secret-key":       "clerk" + mark,
		"sightengine-api-user":   "user" + mark,
		"sightengine-api-secret": "secret" + mark,
	}
}

func TestDeclaredRegistersEverySecretOfTheWorker(t *testing.T) {
	program, err := stacks.Declared(inventory(), "badges", account)
	require.NoError(t, err)
	r, err := run(program, values("-1"))
	require.NoError(t, err)
	require.Equal(t, []string{
		"badges-worker/CLERK_SECRET_KEY", "badges-worker/SIGHTENGINE_API_SECRET", "badges-worker/SIGHTENGINE_API_USER",
	}, r.names(), "no other resource, so no provider with credentials either")

	for _, got := range r.seen {
		worker, name, _ := strings.Cut(got.Name, "/")
		require.Equal(t, "cloudflare:index/workersSecret:WorkersSecret", got.TypeToken)
		require.Equal(t, account, got.Inputs["accountId"].StringValue())
		require.Equal(t, worker, got.Inputs["scriptName"].StringValue())
		require.Equal(t, name, got.Inputs["name"].StringValue())
		require.True(t, got.Inputs["secretText"].IsSecret(), "the text of %s must be marked secret", got.Name)
		require.Equal(t, values("-1")[stacks.ConfigKey(name)], got.Inputs["secretText"].SecretValue().Element.StringValue())
		require.Len(t, got.Inputs, 4, "nothing but the official properties")
	}
}

func TestDeclaredNeverLetsPulumiDeleteASecret(t *testing.T) {
	program, err := stacks.Declared(inventory(), "badges", account)
	require.NoError(t, err)
	r, err := run(program, values(""))
	require.NoError(t, err)
	for _, got := range r.seen {
		require.True(t, got.RegisterRPC.GetRetainOnDelete(), "%s", got.Name)
		require.False(t, got.RegisterRPC.GetDeleteBeforeReplace(), "%s", got.Name)
		require.False(t, got.RegisterRPC.GetDeleteBeforeReplaceDefined(), "%s", got.Name)
		require.Empty(t, got.RegisterRPC.GetReplaceOnChanges(), "%s", got.Name)
		require.Empty(t, got.RegisterRPC.GetProviders(), "%s", got.Name)
		require.Empty(t, got.Provider, "%s uses the default provider, which takes no credentials from us", got.Name)
		require.Equal(t, "5.49.1", got.RegisterRPC.GetVersion(), "the state must fit the official plugin of this version")
	}
}

// One program run twice gives what the config says each time: it holds no value.
func TestDeclaredHoldsNoValue(t *testing.T) {
	program, err := stacks.Declared(inventory(), "badges", account)
	require.NoError(t, err)
	for _, mark := range []string{"-first", "-second"} {
		r, err := run(program, values(mark))
		require.NoError(t, err)
		for _, got := range r.seen {
			require.True(t, strings.HasSuffix(got.Inputs["secretText"].SecretValue().Element.StringValue(), mark))
		}
	}
	for key := range values("") {
		config := values("")
		delete(config, key)
		_, err := run(program, config)
		require.ErrorContains(t, err, "reading config "+key+" of stack badges: it is not set")
	}
}

func TestDeclaredRefusesAPlainConfigValue(t *testing.T) {
	program, err := stacks.Declared(inventory(), "badges", account)
	require.NoError(t, err)
	_, err = run(program, values("-canary"), "clerk-secret-key")
	require.ErrorContains(t, err, "reading config clerk-secret-key of stack badges: it is stored in plain text")
	require.NotContains(t, err.Error(), "canary")
}

func TestDeclaredLeavesOutAnOptionalSecretWithoutConfig(t *testing.T) {
	cat := inventory()
	cat.Secrets[0].Consumers[0].Optional = []string{"CLERK_SECRET_KEY"}
	program, err := stacks.Declared(cat, "badges", account)
	require.NoError(t, err)
	config := values("")
	delete(config, "clerk-secret-key")
	r, err := run(program, config)
	require.NoError(t, err)
	require.NotContains(t, r.names(), "badges-worker/CLERK_SECRET_KEY")
	r, err = run(program, values(""))
	require.NoError(t, err)
	require.Contains(t, r.names(), "badges-worker/CLERK_SECRET_KEY")
}

func TestDeclaredRefusals(t *testing.T) {
	shared := inventory()
	second := shared.Secrets[0].Consumers[0]
	second.Name, second.Worker = "other", "other-worker"
	shared.Secrets[0].Consumers = append(shared.Secrets[0].Consumers, second)
	for _, c := range []struct {
		name, stack, account, want string
		cat                        *secrets.Catalog
	}{
		{"unknown", "nope", account, `"nope": the catalog does not have it`, inventory()},
		{"existing", "payments", account, "existing project (services/payments/infra)", inventory()},
		{"no account", "badges", "", "account id is not one: 0 characters", inventory()},
		{"slash", "badges", "a/b", "account id is not one", inventory()},
		{"key twice", "badges", account, "config key clerk-secret-key stands for CLERK_SECRET_KEY of consumer badges", shared},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := stacks.Declared(c.cat, c.stack, c.account)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// A container is one resource with all that the catalog knows of it, and nothing
// else of it is declared; a place at GitHub has one for each secret.
func TestDeclaredHolders(t *testing.T) {
	cat := &secrets.Catalog{Stacks: []secrets.Stack{{Name: "badges", Declared: true}}, Secrets: []secrets.Secret{{
		Name: "s", Entries: []secrets.Entry{{Path: "a/one"}, {Path: "a/two"}}, Consumers: []secrets.Consumer{
			{Kind: secrets.KindContainer, Stack: "badges", Container: "shop", Namespace: "space", Region: "fr-par", Values: map[string]string{"ONE": "one", "TWO": "two"}},
			{Kind: secrets.KindNamespace, Stack: "badges", Namespace: "space", Region: "fr-par", Values: map[string]string{"ONE": "one"}},
			{Kind: secrets.KindActions, Stack: "badges", Repository: "o/n", Values: map[string]string{"ONE": "one", "TWO": "two"}},
			{Kind: secrets.KindActions, Stack: "badges", Repository: "o/n", Environment: "live", Values: map[string]string{"ONE": "one"}},
			{Kind: secrets.KindActions, Stack: "badges", Organization: "o", Values: map[string]string{"ONE": "one"}},
		}}}}
	program, err := stacks.Declared(cat, "badges", "")
	require.NoError(t, err)
	config := map[string]string{}
	for key := range stacks.Keys(cat, "badges") {
		config[key] = "value of " + key
	}
	require.Len(t, config, 7)
	r, err := run(program, config)
	require.NoError(t, err)
	require.Equal(t, []string{"container/fr-par/space/shop", "environment/o/n/live/ONE", "namespace/fr-par/space",
		"organization/o/ONE", "repository/o/n/ONE", "repository/o/n/TWO"}, r.names())
	for _, got := range r.seen {
		require.True(t, got.RegisterRPC.GetRetainOnDelete(), got.Name)
		require.Empty(t, got.RegisterRPC.GetProviders(), got.Name)
		text := got.Inputs["value"]
		if strings.HasPrefix(got.TypeToken, "scaleway:") {
			text = got.Inputs["secretEnvironmentVariables"]
			require.Equal(t, "1.54.0", got.RegisterRPC.GetVersion())
		}
		require.True(t, text.IsSecret(), got.Name)
	}
	at := slices.IndexFunc(r.seen, func(m pulumi.MockResourceArgs) bool { return m.TypeToken == "scaleway:containers/container:Container" })
	shop := r.seen[at].Inputs
	require.Len(t, shop, 4, "name, namespace, region and the variables")
	values := shop["secretEnvironmentVariables"].SecretValue().Element.ObjectValue()
	require.Equal(t, "value of shop-one", values["ONE"].StringValue())
	require.Equal(t, "value of shop-two", values["TWO"].StringValue())
	for key := range config {
		less := maps.Clone(config)
		delete(less, key)
		_, err := run(program, less)
		require.ErrorContains(t, err, "reading config "+key+" of stack badges: it is not set")
		_, err = run(program, config, key)
		require.ErrorContains(t, err, "stored in plain text")
	}
}

func TestKeys(t *testing.T) {
	require.Equal(t, map[string]stacks.Ref{
		"clerk-secret-key": {
			Key: "clerk-secret-key", Secret: "clerk", Entry: "secret-key", Consumer: "badges",
			Worker: "badges-worker", Name: "CLERK_SECRET_KEY",
		},
		"sightengine-api-user": {
			Key: "sightengine-api-user", Secret: "sightengine", Entry: "api-user", Consumer: "badges",
			Worker: "badges-worker", Name: "SIGHTENGINE_API_USER",
		},
		"sightengine-api-secret": {
			Key: "sightengine-api-secret", Secret: "sightengine", Entry: "api-secret", Consumer: "badges",
			Worker: "badges-worker", Name: "SIGHTENGINE_API_SECRET",
		},
	}, stacks.Keys(inventory(), "badges"))
	require.Equal(t, map[string]stacks.Ref{
		"clerk-secret-key": {
			Key: "clerk-secret-key", Secret: "clerk", Entry: "secret-key", Consumer: "payments", Name: "clerk-secret-key",
		},
		"clerk-spare": {
			Key: "clerk-spare", Secret: "clerk", Entry: "secret-key", Consumer: "payments", Name: "clerk-spare", Optional: true,
		},
	}, stacks.Keys(inventory(), "payments"))
	require.Empty(t, stacks.Keys(inventory(), "nope"))
}
