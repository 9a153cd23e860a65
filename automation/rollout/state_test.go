package rollout

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// A state that holds nothing of the catalog is told: a slip in its address makes
// everything look as if it had never been.
func TestAStateThatHoldsNothingOfTheCatalogIsTold(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		file := filepath.Join(root, filepath.FromSlash(path))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	write("infra/Pulumi.yaml", "name: shop\nruntime: yaml\n")
	write("Pulumi.yaml", "name: ours\nruntime: go\n")
	write("state/.pulumi/meta.yaml", "version: 1\n")
	write("state/.pulumi/stacks/others/prod.json", `{"version":3,"checkpoint":{}}`)
	used := func(state string, stacks ...secrets.Stack) error {
		url := "file://" + filepath.Join(root, state)
		f := &Fleet{Catalog: &secrets.Catalog{State: secrets.State{URL: url}, Stacks: stacks}, Root: root, Project: root,
			Engine: engine.New(engine.Options{Backend: url})}
		return f.Used(t.Context())
	}
	infra, declared := secrets.Stack{Name: "infra", Dir: "infra", Stack: "*"}, secrets.Stack{Name: "badges", Declared: true}
	for _, state := range []string{"state", "stat"} {
		err := used(state, infra, declared)
		var told *engine.Error
		require.True(t, errors.As(err, &told), state)
		require.NotEmpty(t, told.Next)
		require.ErrorContains(t, err, filepath.Join(root, state))
	}
	require.NoError(t, used("state"), "without stacks it tells nothing")
	require.NoError(t, used("state", secrets.Stack{Name: "gone", Dir: "nowhere"}), "nor where no project can be read")
	require.NoError(t, used("state", secrets.Stack{Name: "infra", Dir: "infra", Backend: "file:///elsewhere"}), "that one is elsewhere")

	write("state/.pulumi/stacks/shop/dev.json", `{"version":3,"checkpoint":{}}`)
	require.NoError(t, used("state", infra, declared), "one of them is enough")
	require.Error(t, used("state", secrets.Stack{Name: "infra", Dir: "infra", Stack: "org/prod"}), "another stack of the project")
	write("state/.pulumi/stacks/ours/badges.json", `{"version":3,"checkpoint":{}}`)
	require.NoError(t, used("state", declared))
}
