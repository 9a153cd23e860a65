package engine_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/stackfile"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// shown is one value as `pulumi config --json` has it.
type shown struct {
	Value  string `json:"value"`
	Secret bool   `json:"secret"`
}

func (l *lab) config() map[string]shown {
	l.t.Helper()
	var out map[string]shown
	require.NoError(l.t, json.Unmarshal([]byte(l.pulumi("", "config", "--show-secrets", "--json", "--stack", "prod")), &out))
	return out
}

// full is a key as the CLI names it.
func full(key string) string {
	if strings.Contains(key, ":") {
		return key
	}
	return "shop:" + key
}

// TestThePlainCLIReadsTheCorpus: after a secret is replaced and another added,
// the CLI finds both, and all else as it was. That the bytes are kept is
// stackfile's own test.
func TestThePlainCLIReadsTheCorpus(t *testing.T) {
	var files []string
	for _, pattern := range corpus {
		found, err := filepath.Glob("stackfile/testdata/" + pattern + ".yaml")
		require.NoError(t, err)
		require.NotEmpty(t, found, pattern)
		files = append(files, found...)
	}
	base := newLab(t, realCLI(t))
	require.NoError(t, os.WriteFile(filepath.Join(base.dir, "Pulumi.yaml"), []byte("name: shop\nruntime: yaml\n"), 0o600))
	base.pulumi("", "stack", "init", "prod")
	salt, crypt, err := stackfile.NewSalt(t.Context(), val(passphrase))
	require.NoError(t, err)
	old, err := crypt.Encrypt(t.Context(), val("the old value"))
	require.NoError(t, err)
	for _, file := range files {
		if strings.Contains(file, "environment-imports") {
			continue // The CLI takes environments on Pulumi Cloud alone.
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			l := &lab{t: t, cli: base.cli, dir: t.TempDir(), state: base.state, engine: base.engine}
			text := strings.NewReplacer("%SALT%", salt, "%OLD%", old).Replace(string(raw))
			require.NoError(t, os.WriteFile(filepath.Join(l.dir, "Pulumi.yaml"), []byte("name: shop\nruntime: yaml\n"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(l.dir, "Pulumi.prod.yaml"), []byte(text), 0o600))
			s, err := l.engine.Open(context.Background(), engine.StackSpec{Name: "shop", Dir: l.dir, Stack: "prod"})
			require.NoError(t, err)
			want := map[string]shown{}
			conf, err := s.Config(t.Context())
			require.NoError(t, err)
			for k, v := range conf.Secrets {
				want[full(k)] = shown{string(v.Reveal()), true}
			}
			for k, v := range conf.Plain {
				want[full(k)] = shown{v, false}
			}
			fresh := shown{"sk_new\r\nsecond line\r\n", true}
			_, err = s.WriteConfig(t.Context(), map[string]secrets.Value{"stripe-secret-key": val(fresh.Value), "another": val(fresh.Value)})
			require.NoError(t, err)
			want["shop:stripe-secret-key"], want["shop:another"] = fresh, fresh
			got := l.config()
			// What is inside an object the CLI shows by its path.
			objects := map[string]bool{}
			for _, n := range conf.Nested {
				if objects[full(n.Key)] = true; n.Secret {
					require.Equal(t, string(n.Value.Reveal()), strings.TrimSuffix(l.pulumi("", "config", "get", "--path", n.Path, "--stack", "prod"), "\n"), n.Path)
				}
			}
			for key := range got {
				if conf.Form(strings.TrimPrefix(key, "shop:")) == engine.Object {
					delete(got, key)
				}
			}
			require.NotContains(t, objects, "shop:stripe-secret-key")
			require.Equal(t, want, got)
		})
	}
}
