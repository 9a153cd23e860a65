package drift

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/inventory"
)

// A copy inside an object or a list is a copy that nobody declares, also where the
// catalog names a key of that form.
func TestCopiesInsideObjects(t *testing.T) {
	s := company(t)
	stack := inventory.Stack{Name: "prod", Nested: []engine.Nested{
		{Key: "app", Path: "app.key", Secret: true, Value: value("sk_live_0123456789abcdef")},
		{Key: "app", Path: "app.size", Value: value("3")},
		{Key: "stripe-secret-key", Path: "[\"stripe-secret-key\"][0]", Value: value("sk_live_0123456789abcdef")},
	}}
	var out sheet
	s.nestedCopies(inventory.Project{Name: "shop", Dir: "services/stripe-backend/infra"}, stack, []original{{"stripe", "secret-key", value("sk_live_0123456789abcdef")}}, &out)
	require.Len(t, out.findings, 2)
	require.Equal(t, "stack/shop/prod/app.key", out.findings[0].Subject)
	require.Contains(t, out.findings[1].Detail, "IN THE CLEAR")
	for _, f := range out.findings {
		require.Equal(t, UnmanagedAtConsumer, f.Code)
		require.True(t, f.Counts())
		require.NotContains(t, f.Detail+f.Fix, "sk_live_")
	}
}
