package rotation

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/stackfile"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const stackPhrase = "correct horse battery staple"

// shop is a world whose secret is in the config of an existing project, too.
type shop struct {
	*world
	dir, state string
	fleet      *rollout.Fleet
}

// newShop makes the project with this config: %KEY% stands for the value in pass,
// encrypted, and %OTHER% for another one.
func newShop(t *testing.T, values map[string]string, config string) *shop {
	w := newWorld(t)
	s := &shop{world: w, dir: t.TempDir(), state: t.TempDir()}
	w.secret.Consumers = append(w.secret.Consumers, secrets.Consumer{Name: "shop", Kind: secrets.KindConfig, Stack: "shop", Values: values,
		Probe: secrets.Probe{Kind: secrets.ProofExact, By: "config"}})
	s.write(s.dir, "Pulumi.yaml", "name: shop\nruntime: yaml\n")
	s.configure(config)
	s.write(s.state, ".pulumi/meta.yaml", "version: 1\n")
	s.write(s.state, ".pulumi/stacks/shop/prod.json", `{"version":3,"checkpoint":{"stack":"organization/shop/prod","latest":{"manifest":{},"resources":[]}}}`)
	cat := &secrets.Catalog{Secrets: []secrets.Secret{w.secret}, Stacks: []secrets.Stack{{Name: "shop", Dir: ".", Stack: "prod"}}}
	s.fleet = &rollout.Fleet{Catalog: cat, Root: s.dir, Engine: engine.New(engine.Options{Backend: "file://" + s.state, Redactor: secrets.NewRedactor()}),
		Passphrase: func(context.Context, secrets.Stack) (secrets.Value, error) {
			return secrets.NewValue([]byte(stackPhrase)), nil
		}}
	return s
}

// configure writes the stack's config file as newShop says, with pass's value of now.
func (s *shop) configure(config string) {
	s.t.Helper()
	salt, crypt, err := stackfile.NewSalt(s.t.Context(), secrets.NewValue([]byte(stackPhrase)))
	require.NoError(s.t, err)
	sealed := func(v string) string {
		text, err := crypt.Encrypt(s.t.Context(), secrets.NewValue([]byte(v)))
		require.NoError(s.t, err)
		return "{secure: \"" + text + "\"}"
	}
	config = strings.NewReplacer("%KEY%", sealed(s.holds(entryPath)), "%OTHER%", sealed("another value")).Replace(config)
	s.write(s.dir, "Pulumi.prod.yaml", "encryptionsalt: "+salt+"\nconfig:\n"+config)
}

func (s *shop) write(dir, name, text string) {
	s.t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
}

// rotator is the world's, which knows the project.
func (s *shop) rotator() *Rotator {
	r := s.world.rotator()
	r.Catalog, r.Fleet = s.fleet.Catalog, s.fleet
	r.Asker.Config = func(ctx context.Context, stack string) (map[string]map[string]secrets.Value, error) {
		targets, err := s.fleet.Open(ctx, stack)
		if err != nil {
			return nil, err
		}
		return map[string]map[string]secrets.Value{"shop": targets[0].Values}, nil
	}
	return r
}

// plan looks at everything as a rotation does before it asks, up to the previews,
// which need a CLI.
func (s *shop) plan(v verb, o Options) error {
	r := &run{Rotator: s.rotator(), options: o, verb: v}
	if err := r.look(s.t.Context(), []string{"acme"}); err != nil {
		return err
	}
	return r.inspect(s.t.Context())
}

// A config key under which the project does not read the secret is refused before
// anything is issued: the new value would be proven there, and the old one, which
// the project still uses, revoked.
func TestAKeyThatTheStackDoesNotHaveIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		key, config string
		form        engine.Form
		meant       string
		holds       bool
	}{
		"a slip":                        {"acme-kee", "  shop:acme-key: %KEY%\n  shop:other: %OTHER%\n", engine.Absent, "acme-key", true},
		"a slip, and another value":     {"acme-kee", "  shop:acme-key: %OTHER%\n", engine.Absent, "acme-key", false},
		"nothing is near":               {"acme-key", "  shop:token: %OTHER%\n", engine.Absent, "", false},
		"inside an object":              {"app.key", "  shop:app: {key: %KEY%, size: 3}\n", engine.Absent, "app.key", true},
		"inside a list, in the clear":   {"acme-key", "  shop:keys: [a, PLAIN]\n", engine.Absent, "keys[1]", true},
		"an object":                     {"app", "  shop:app: {key: %KEY%, size: 3}\n", engine.Object, "app.key", true},
		"an object without secrets":     {"app", "  shop:app: {size: 3}\n", engine.Object, "", false},
		"plain text":                    {"acme-key", "  shop:acme-key: PLAIN\n", engine.Plain, "", false},
		"plain text of 2017":            {"acme-key", "  shop:config:acme-key: PLAIN\n", engine.Plain, "", false},
		"encrypted by somebody else":    {"acme-key", "  shop:acme-key: {secure: \"v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\"}\n", engine.Unreadable, "", false},
		"a key of another project":      {"other:acme-key", "  shop:acme-key: %KEY%\n", engine.Absent, "acme-key", true},
		"a config of nothing but plain": {"acme-key", "  shop:size: 3\n", engine.Absent, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, map[string]string{c.key: "api-key"}, c.config)
			config := s.replacePlain()
			issued := s.issuer.issued
			for _, verb := range []verb{toRotate, toAdopt} {
				err := s.plan(verb, Options{New: true, Unattended: true})
				wrong := (*rollout.KeyError)(nil)
				require.ErrorAs(t, err, &wrong)
				require.Equal(t, c.form, wrong.Form)
				require.Equal(t, c.meant, wrong.Meant)
				require.Equal(t, c.holds, wrong.Holds)
				own := (*Error)(nil)
				require.ErrorAs(t, err, &own)
				require.NotEmpty(t, own.Next)
				require.Equal(t, c.form == engine.Absent, strings.Contains(own.Next[len(own.Next)-1], "--create-keys"))
				require.NotContains(t, err.Error(), s.holds(entryPath))
			}
			require.Equal(t, issued, s.issuer.issued)
			raw, err := os.ReadFile(filepath.Join(s.dir, "Pulumi.prod.yaml"))
			require.NoError(t, err)
			require.Equal(t, config, string(raw))
			require.Empty(t, s.last().State)
		})
	}
}

// replacePlain puts pass's value where PLAIN stands in the config.
func (s *shop) replacePlain() string {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.dir, "Pulumi.prod.yaml"))
	require.NoError(s.t, err)
	text := strings.ReplaceAll(string(raw), "PLAIN", s.holds(entryPath))
	s.write(s.dir, "Pulumi.prod.yaml", text)
	return text
}

// What may be set is set: a secret in any form of its name, a key that is said to
// be new, and one that a rotation of this secret has set before.
func TestAKeyThatMayBeSet(t *testing.T) {
	for name, c := range map[string]struct {
		key, config string
		create      bool
		journalled  []string
	}{
		"a secret":                   {"acme-key", "  shop:acme-key: %KEY%\n", false, nil},
		"with the project's name":    {"shop:acme-key", "  acme-key: %KEY%\n", false, nil},
		"in the form of 2017":        {"acme-key", "  shop:config:acme-key: %KEY%\n", false, nil},
		"new":                        {"acme-key", "  shop:size: 3\n", true, nil},
		"set by an earlier rotation": {"acme-key", "  shop:size: 3\n", false, []string{"shop acme-key"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, map[string]string{c.key: "api-key"}, c.config)
			if c.journalled != nil {
				log, err := journal.InDir(s.journal).Open(t.Context(), "acme")
				require.NoError(t, err)
				require.NoError(t, log.Append(t.Context(), journal.Event{Rotation: "r0", State: journal.Adopted, Keys: c.journalled}))
			}
			require.NoError(t, s.plan(toRotate, Options{New: true, CreateKeys: c.create}))
		})
	}
}

// An optional key that the stack has not is none; plain text under its name is a
// copy that would be left behind.
func TestAnOptionalKey(t *testing.T) {
	optional := func(config string) *shop {
		s := newShop(t, map[string]string{"acme-key": "api-key"}, config)
		s.fleet.Catalog.Secrets[0].Consumers[1].Optional = []string{"acme-key"}
		return s
	}
	require.NoError(t, optional("  shop:size: 3\n").plan(toRotate, Options{New: true}))
	require.NoError(t, optional("  shop:acme-key: %KEY%\n").plan(toRotate, Options{New: true}))
	wrong := (*rollout.KeyError)(nil)
	require.True(t, errors.As(optional("  shop:acme-key: text\n").plan(toRotate, Options{New: true}), &wrong))
	require.Equal(t, engine.Plain, wrong.Form)
}

// A neighbour's key that its own rotations have not set is not made by the way.
func TestANeighboursKeyIsNotMadeByTheWay(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		keys   []string
		made   bool
	}{
		"never set":     {"  shop:acme-key: %KEY%\n", nil, false},
		"set before":    {"  shop:acme-key: %KEY%\n", []string{"shop near-key"}, true},
		"now an object": {"  shop:acme-key: %KEY%\n  shop:near-key: {a: b}\n", []string{"shop near-key"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, map[string]string{"acme-key": "api-key"}, c.config)
			near := s.secret
			near.Name, near.Consumers = "near", []secrets.Consumer{{Name: "shop", Kind: secrets.KindConfig, Stack: "shop", Values: map[string]string{"near-key": "api-key"}}}
			s.fleet.Catalog.Secrets = append(s.fleet.Catalog.Secrets, near)
			r := &run{Rotator: s.rotator()}
			r.Catalog, r.Fleet = s.fleet.Catalog, s.fleet
			log, err := r.Journal.Open(t.Context(), "near")
			require.NoError(t, err)
			current := secrets.NewValue([]byte(s.holds(entryPath)))
			require.NoError(t, log.Append(t.Context(), journal.Event{Rotation: "r0", State: journal.Adopted, Keys: c.keys,
				Promoted: map[string]secrets.Fingerprint{"api-key": current.Fingerprint(r.Key)}}))
			targets, err := s.fleet.Open(t.Context(), "shop")
			require.NoError(t, err)
			want, _, err := r.wants(t.Context(), targets[0])
			require.NoError(t, err)
			require.Equal(t, c.made, want["near-key"].Equal(current))
		})
	}
}
