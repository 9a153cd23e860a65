package engine

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/require"
)

// A plugin notes in a resource's inputs which of them it has filled in; the
// provider that this process serves does not.
func TestAPluginsNotesAreNoDifference(t *testing.T) {
	inputs := func(more map[string]any) *apitype.StepEventStateMetadata {
		in := map[string]any{"name": "KEY", "secretText": "[secret]", "inner": map[string]any{"a": "b"}}
		for k, v := range more {
			in[k] = v
		}
		return &apitype.StepEventStateMetadata{Type: "t", Inputs: in}
	}
	same := func(s string) string { return s }
	for name, c := range map[string]struct {
		more map[string]any
		want bool
	}{
		"notes":       {map[string]any{"__defaults": []any{}, "inner": map[string]any{"a": "b", "__defaults": []any{}}}, true},
		"other input": {map[string]any{"__defaults": []any{}, "name": "OTHER"}, false},
	} {
		var list changes
		list.add(apitype.StepEventMetadata{Op: apitype.OpReplace, URN: "urn::k", Type: "t", Old: inputs(nil), New: inputs(c.more), Diffs: []string{"secretText"}}, same)
		require.Equal(t, c.want, list.list[0].SecretOnly, name)
	}
}
