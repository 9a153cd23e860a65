package secrets_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Every field of the catalog's services, state and stacks that names a credential
// by its place in pass is on the list: a field that is added later shows here.
func TestEveryCredentialOfTheProgramIsListed(t *testing.T) {
	var cat secrets.Catalog
	cat.Stacks = make([]secrets.Stack, 1)
	want := map[string]bool{}
	var fill func(v reflect.Value, at string)
	fill = func(v reflect.Value, at string) {
		for i := range v.NumField() {
			name := at + "/" + v.Type().Field(i).Name
			switch f := v.Field(i); f.Kind() {
			case reflect.Struct:
				fill(f, name)
			case reflect.String:
				f.SetString(name)
				for _, end := range []string{"Token", "AccessKey", "SecretKey", "Passphrase"} {
					if strings.HasSuffix(name, "/"+end) {
						want[name] = true
					}
				}
			}
		}
	}
	fill(reflect.ValueOf(&cat.Services).Elem(), "services")
	fill(reflect.ValueOf(&cat.State).Elem(), "state")
	fill(reflect.ValueOf(&cat.Stacks[0]).Elem(), "stack")
	have := map[string]bool{}
	for _, own := range cat.UsedByProgram() {
		have[own.Path] = true
		require.Contains(t, secrets.Uses(), own.Use)
	}
	require.Equal(t, want, have)
	require.Len(t, want, 8)
}
