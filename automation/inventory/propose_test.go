package inventory

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/stackfile"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const phrase = "correct horse battery staple"

func value(s string) secrets.Value { return secrets.NewValue([]byte(s)) }

// company is a folder with projects.
type company struct {
	t    *testing.T
	root string
}

func newCompany(t *testing.T) company { return company{t, t.TempDir()} }

func (c company) file(path, content string) {
	c.t.Helper()
	path = filepath.Join(c.root, filepath.FromSlash(path))
	require.NoError(c.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(c.t, os.WriteFile(path, []byte(content), 0o600))
}

// project writes a project with one stack of these config secrets.
func (c company) project(dir, name, stack string, config map[string]string, plain string) {
	c.t.Helper()
	salt, crypt, err := stackfile.NewSalt(context.Background(), value(phrase))
	require.NoError(c.t, err)
	text := "encryptionsalt: " + salt + "\nconfig:\n" + plain
	for key, v := range config {
		cipher, err := crypt.Encrypt(context.Background(), value(v))
		require.NoError(c.t, err)
		text += "  " + key + ":\n    secure: " + cipher + "\n"
	}
	c.file(dir+"/Pulumi.yaml", "name: "+name+"\nruntime: yaml\n")
	c.file(dir+"/Pulumi."+stack+".yaml", text)
}

func (c company) found(entries map[string]string) Found {
	c.t.Helper()
	var f Found
	var err error
	f.Projects, f.Workers, err = Scan(c.root, Declared{})
	require.NoError(c.t, err)
	for path, v := range entries {
		f.Entries = append(f.Entries, Entry{Path: path, Value: value(v)})
	}
	f.State = "s3://state?region=fr-par&endpoint=https://s3.fr-par.scw.cloud"
	return f
}

func (f Found) opened(phrases ...Phrase) Found {
	for i := range f.Projects {
		for j := range f.Projects[i].Stacks {
			f.Projects[i].Stacks[j].Open(context.Background(), phrases)
		}
	}
	return f
}

// accepted is the proposal's text, which our own loader takes.
func accepted(t *testing.T, f Found) (*secrets.Catalog, string) {
	t.Helper()
	embedded, err := secrets.Embedded()
	require.NoError(t, err)
	text := Propose(f).Text(embedded)
	cat, err := secrets.Parse("proposal", text)
	require.NoError(t, err, string(text))
	for _, e := range f.Entries {
		if e.Value.Len() > 8 {
			hide := secrets.NewRedactor()
			hide.Add(e.Value)
			require.False(t, hide.Holds(text), "the value of %s is in the proposal", e.Path)
		}
	}
	return cat, string(text)
}

const (
	stripeLive = "sk_live_51AbCdEfGhIjKlMnOpQrStUv"
	clerkLive  = "sk_live_ZyXwVuTsRqPoNmLkJiHgFeDc"
	scwAccess  = "SCWABCDEFGHIJ0123456"
	scwSecret  = "11111111-2222-3333-4444-555555555555"
	password   = "a database password, with ' and : in it"
)

func TestProposalFindsEveryCopy(t *testing.T) {
	c := newCompany(t)
	c.project("shop/infra", "Shop_Infra", "prod", map[string]string{"shop:stripe": stripeLive, "db-password": password, "aws:region": "eu-west-1-secret", "lonely": "no entry has this"}, "  leaked: "+clerkLive+"\n")
	c.project("shop/infra/node_modules/x", "ignored", "prod", nil, "")
	c.project("two", "two", "a", map[string]string{"key": stripeLive}, "")
	c.project("two", "two", "b", map[string]string{"key": clerkLive}, "")
	c.file("empty/Pulumi.yaml", "name: empty\nruntime: go\n")
	c.file("broken/Pulumi.yaml", "name: [\n")
	c.file("w/wrangler.jsonc", "{\n // a comment\n \"name\": \"edge\"}")
	c.file("v/wrangler.toml", "main = \"x\"\n[env.prod]\nname = \"other\"\n")
	f := c.found(map[string]string{
		"pay/stripe/secret-key": stripeLive, "pay/stripe/webhook-secret": "whsec_0123456789abcdefABCDEF", "auth/clerk/secret-key": clerkLive,
		"scw/access-key": scwAccess, "scw/api-secret": scwSecret, "scw/project-id": "99999999-2222-3333-4444-555555555555",
		"db/password": password, "misc/key": "sk_test_0123456789abcdefgh", "misc/what": "who knows what this is", "alone": "in no folder at all",
		"aws/key": "AKIA0123456789ABCDEF", "infra/pulumi-passphrase": phrase, "cloudflare/token": "cfut_" + strings.Repeat("a", 40) + "01234567",
	}).opened(Phrase{Path: "infra/pulumi-passphrase", Value: value(phrase)})
	cat, text := accepted(t, f)

	copies := map[string]map[string]string{}
	for _, s := range cat.Secrets {
		for _, k := range s.Consumers {
			for key, entry := range k.Values {
				if copies[s.Name] == nil {
					copies[s.Name] = map[string]string{}
				}
				copies[s.Name][k.Stack+" "+key] = entry
			}
		}
	}
	require.Equal(t, map[string]map[string]string{
		"stripe":      {"shop-infra shop:stripe": "secret-key", "two-a key": "secret-key"},
		"clerk":       {"two-b key": "secret-key"},
		"db-password": {"shop-infra db-password": "password"},
	}, copies)
	stripe, _ := cat.Secret("stripe")
	require.Len(t, stripe.Entries, 2, "what lies in one folder is one credential")
	scaleway, _ := cat.Secret("scaleway")
	require.True(t, scaleway.Pair)
	require.Equal(t, "scw/access-key", cat.State.AccessKey)
	require.Equal(t, "infra/pulumi-passphrase", cat.State.Passphrase)
	token, ok := cat.Secret("cloudflare-token")
	require.True(t, ok, "its client reads another name")
	require.Equal(t, secrets.ServiceManual, token.Service)
	require.Len(t, cat.Stacks, 3)
	for _, part := range []string{
		"with pass mv cloudflare/token cloudflare/api-token it can be service: cloudflare",
		"config secret lonely of stack shop-infra matches no entry",
		"config leaked of stack shop-infra holds the value of auth/clerk/secret-key IN THE CLEAR",
		"misc/key: it has the form of a Stripe or a Clerk secret key, and its path does not say which",
		"misc/what: no known service's credential", "aws/key: it has the form of an AWS access key", "alone: no known service's credential",
		"w/wrangler.jsonc names Worker edge", "project empty: it has no Pulumi.<stack>.yaml", "project broken: Pulumi.yaml is not a project file",
		"path: scw/project-id",
	} {
		require.Contains(t, text, part)
	}
	require.NotContains(t, text, "ignored")
	require.Contains(t, text, "v/wrangler.toml names Worker other (environment prod)")
	for range 5 { // findings in another order
		_, again := accepted(t, f)
		require.Equal(t, text, again)
	}
}

func TestWithoutAPassphraseNothingIsCompared(t *testing.T) {
	c := newCompany(t)
	c.project("infra", "infra", "prod", map[string]string{"stripe-secret-key": stripeLive}, "")
	entries := map[string]string{"pay/stripe/secret-key": stripeLive}
	for name, f := range map[string]Found{
		"there is no passphrase to open it with": c.found(entries).opened(),
		"no passphrase at hand opens it":         c.found(entries).opened(Phrase{Value: value("wrong")}),
	} {
		cat, text := accepted(t, f)
		require.Empty(t, cat.Secrets[0].Consumers)
		require.Empty(t, cat.Stacks)
		require.Contains(t, text, "the config secrets of stack infra were not compared: "+name)
		require.Contains(t, text, "config secret stripe-secret-key of stack infra was not compared; by its name it may be pay/stripe/secret-key")
	}
}

func TestNamesOnlyGuessesByNames(t *testing.T) {
	c := newCompany(t)
	c.project("infra", "infra", "prod", map[string]string{"stripe-secret-key": "x", "stripe-webhook-secret": "x", "clerk-secret-key": "x", "other": "x"}, "")
	f := c.found(map[string]string{"pay/stripe/secret-key": "", "pay/stripe/webhook-secret": "", "auth/clerk/publishable-key": "", "notes/todo": ""})
	f.NamesOnly = true
	cat, text := accepted(t, f)
	require.Len(t, cat.Secrets, 1)
	require.Equal(t, map[string]string{"stripe-secret-key": "secret-key", "stripe-webhook-secret": "webhook-secret"}, cat.Secrets[0].Consumers[0].Values)
	require.Contains(t, text, "config secret clerk-secret-key of stack infra matches no entry")
	require.Contains(t, text, "notes/todo: its name does not tell")
	require.Contains(t, text, "By names only")
}

// A name that would be something else in YAML stays a name.
func TestNamesAreQuoted(t *testing.T) {
	c := newCompany(t)
	c.project("a b'c", "'12'", "1", map[string]string{"on": stripeLive}, "")
	cat, _ := accepted(t, c.found(map[string]string{"1/stripe/secret-key": stripeLive, "x/a\n# b": "y"}).opened(Phrase{Value: value(phrase)}))
	require.Equal(t, "a b'c", cat.Stacks[0].Dir)
	require.Equal(t, map[string]string{"on": "secret-key"}, cat.Secrets[0].Consumers[0].Values)
	require.Equal(t, "12", cat.Stacks[0].Name)
	require.Equal(t, "1/stripe/secret-key", cat.Secrets[0].Entries[0].Path)
}

// A copy inside an object or a list is found, encrypted or not, and is no
// consumer; so is plain text in a file without any secret or with those of
// another provider.
func TestCopiesInsideObjectsAreFound(t *testing.T) {
	c := newCompany(t)
	c.project("shop", "shop", "prod", map[string]string{"own": clerkLive}, "  shop:app: {stripe: {key: "+stripeLive+"}}\n  shop:list: [a, "+password+"]\n")
	c.file("plain/Pulumi.yaml", "name: plain\nruntime: yaml\n")
	c.file("plain/Pulumi.dev.yaml", "config:\n  plain:key: "+stripeLive+"\n")
	c.file("cloud/Pulumi.yaml", "name: cloud\nruntime: yaml\n")
	c.file("cloud/Pulumi.dev.yaml", "config:\n  cloud:app: {key: "+stripeLive+"}\n  cloud:token:\n    secure: AAABAMl3FzWfmPHBJDH+gLFXQv3ZEzG5qLyYbM1OSHSO4pVJgPnGC8mM\n")
	c.file("kms/Pulumi.yaml", "name: kms\nruntime: yaml\n")
	c.file("kms/Pulumi.dev.yaml", "secretsprovider: awskms://alias/x\nencryptedkey: abc\nconfig:\n  kms:key: "+stripeLive+"\n  kms:token: {secure: \"v1:AAAA:BBBB\"}\n")
	f := c.found(map[string]string{"pay/stripe/secret-key": stripeLive, "auth/clerk/secret-key": clerkLive, "db/password": password})
	// An object that the CLI has encrypted a part of.
	salt, crypt, err := stackfile.NewSalt(context.Background(), value(phrase))
	require.NoError(t, err)
	cipher, err := crypt.Encrypt(context.Background(), value(password))
	require.NoError(t, err)
	c.file("deep/Pulumi.yaml", "name: deep\nruntime: yaml\n")
	c.file("deep/Pulumi.dev.yaml", "encryptionsalt: "+salt+"\nconfig:\n  deep:dbs:\n  - host: h\n    password: {secure: \""+cipher+"\"}\n")
	deep := c.found(nil).Projects
	f.Projects = deep
	cat, text := accepted(t, f.opened(Phrase{Value: value(phrase)}))
	require.Len(t, cat.Stacks, 1, "only the key that is one by itself")
	for _, part := range []string{
		"config app.stripe.key of stack shop holds the value of pay/stripe/secret-key IN THE CLEAR, inside an object or a list",
		"config dbs[0].password of stack deep holds the value of db/password, inside an object or a list",
		"config key of stack plain holds the value of pay/stripe/secret-key IN THE CLEAR: make it a secret",
		"config app.key of stack cloud holds the value of pay/stripe/secret-key IN THE CLEAR, inside",
		"the config secrets of stack cloud were not compared: its secrets are encrypted by Pulumi Cloud",
		"config key of stack kms holds the value of pay/stripe/secret-key IN THE CLEAR",
		"the config secrets of stack kms were not compared: its secrets are encrypted by awskms",
	} {
		require.Contains(t, text, part)
	}
	_, ok := cat.Secret("db-password")
	require.True(t, ok, "what no rule knows is a secret where a stack holds it")
	f.NamesOnly = true
	_, text = accepted(t, Found{Entries: f.Entries, Projects: c.found(nil).Projects, NamesOnly: true, State: f.State})
	require.Contains(t, text, "config dbs of stack deep is an object or a list with secrets inside, which were not compared")
}
