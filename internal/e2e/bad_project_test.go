//go:build slow

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLongBadProjects: what can be wrong with an existing project is said before
// anything is issued, with the file or the command that mends it.
func TestLongBadProjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := filepath.Join(w.dir, stripeFolder)
	program, config := filepath.Join(dir, "Pulumi.yaml"), filepath.Join(dir, "Pulumi.prod.yaml")
	replace := func(old, now string) func(string) string {
		return func(text string) string {
			require.Contains(t, text, old)
			return strings.Replace(text, old, now, 1)
		}
	}
	for name, c := range map[string]struct {
		file string
		edit func(text string) string // nil: the file is gone
		want refusal
	}{
		"no Pulumi.yaml": {program, nil, refusal{1, []string{"stripe-backend", dir, "holds no Pulumi.yaml"}, "--root DIR"}},
		"broken Pulumi.yaml": {program, replace("name: stripe-backend", "name: [stripe-backend"),
			refusal{1, []string{"stripe-backend", "Pulumi.yaml is not a project file"}, "mend " + program}},
		"another project": {program, replace("name: stripe-backend", "name: another"),
			refusal{1, []string{"stripe-backend", "the project has none in this backend"}, "pulumi stack ls --cwd "}},
		"a runtime without its host": {program, replace("runtime: yaml", "runtime: dotnet"),
			refusal{1, []string{"stripe-backend", "written in dotnet", "pulumi-language-dotnet is not installed"}, "pulumi-language-dotnet"}},
		"a program that is wrong": {program, replace("${stripe-webhook-secret}", "${stripe-webhook}"),
			refusal{1, []string{"previewing", "stripe-backend", "stripe-webhook"}, "pulumi preview --stack prod --cwd " + dir}},
		"config that is not YAML": {config, replace("config:", "config: ["),
			refusal{1, []string{"stripe-backend", "Pulumi.prod.yaml", "line "}, "mend " + config}},
		"config with a conflict": {config, func(text string) string { return "<<<<<<< HEAD\n" + text + "=======\n>>>>>>> main\n" },
			refusal{1, []string{"stripe-backend", "Pulumi.prod.yaml", "line "}, "mend " + config}},
		"config without its salt": {config, replace("encryptionsalt", "encryptionsalt-gone"),
			refusal{1, []string{"stripe-backend", "Pulumi.prod.yaml", "no encryptionsalt"}, "mend " + config}},
		"no config": {config, nil, refusal{1, []string{"stripe-backend", "Pulumi.prod.yaml is missing"}, "check out the commit"}},
		"a provider that nobody knows": {config, func(text string) string { return "secretsprovider: other://key?token=geheim\n" + text },
			refusal{1, []string{"stripe-backend", "encrypted by other"}, "change-secrets-provider"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := *w
			s.t = t
			raw, err := os.ReadFile(c.file)
			require.NoError(t, err)
			defer func() { require.NoError(t, os.WriteFile(c.file, raw, 0o600)) }()
			if c.edit == nil {
				require.NoError(t, os.Remove(c.file))
			} else {
				require.NoError(t, os.WriteFile(c.file, []byte(c.edit(string(raw))), 0o600))
			}
			r := s.refused(c.want, "", "rotate", "--secret", "stripe", "--yes")
			require.NotContains(t, r.stderr, "geheim")
		})
	}
}

// TestUnknownStackOfAProject names those that there are.
func TestLongUnknownStackOfAProject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	catalog := filepath.Join(w.root, "catalog.yaml")
	w.edited("../../secrets/catalog.yaml", catalog, "    dir: services/stripe-backend/infra\n", "    dir: services/stripe-backend/infra\n    stack: staging\n")
	w.refused(refusal{1, []string{"stripe-backend", "no stack staging", "it has: prod"}, "`stack:` in the catalog"}, "", "rotate", "--secret", "stripe", "--yes", "--catalog", catalog)
}
