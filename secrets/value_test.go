package secrets_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const marker = "marker-9f3c-71ab"

func markerValue() secrets.Value { return secrets.NewValue([]byte(marker)) }

// requireClean fails if text holds the marker in any form that Go's printers
// give bytes.
func requireClean(t *testing.T, text string) {
	t.Helper()
	for _, form := range leakedForms() {
		require.NotContains(t, text, form)
	}
}

func leakedForms() []string {
	raw := []byte(marker)
	return []string{
		marker,
		hex.EncodeToString(raw),
		strings.ToUpper(hex.EncodeToString(raw)),
		fmt.Sprintf("% x", raw),
		base64.StdEncoding.EncodeToString(raw),
		strings.Trim(fmt.Sprint(raw), "[]"),
		strings.Trim(fmt.Sprintf("%#v", raw), "[]byte{}"),
	}
}

type exportedField struct{ Token secrets.Value }

type unexportedField struct{ token secrets.Value }

type pointerField struct{ token *secrets.Value }

type deep struct{ inner *unexportedField }

// holders are the shapes in which a value may reach a printer.
func holders() map[string]any {
	v := markerValue()
	return map[string]any{
		"bare":                  v,
		"pointer":               &v,
		"exported field":        exportedField{v},
		"unexported field":      unexportedField{v},
		"pointer in a field":    pointerField{&v},
		"pointer to a struct":   &unexportedField{v},
		"two structs deep":      deep{&unexportedField{v}},
		"map":                   map[string]secrets.Value{"k": v},
		"map of structs":        map[string]unexportedField{"k": {v}},
		"slice":                 []secrets.Value{v},
		"slice of pointers":     []*secrets.Value{&v},
		"array":                 [1]secrets.Value{v},
		"slice of anything":     []any{v, unexportedField{v}},
		"credential of a check": map[string]any{"secret-key": v},
	}
}

func TestValueFormatsCleanWithEveryVerb(t *testing.T) {
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			for verb := 'A'; verb <= 'z'; verb++ {
				for _, flags := range []string{"", "+", "#", " ", "0", "-20", "+#", ".3"} {
					requireClean(t, fmt.Sprintf("%"+flags+string(verb), holder))
				}
			}
			requireClean(t, fmt.Sprint(holder))
			requireClean(t, fmt.Sprintln(holder, holder))
		})
	}
}

func TestValuePrintsItsMark(t *testing.T) {
	v := markerValue()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		require.Equal(t, "[secret]", fmt.Sprintf(verb, v), verb)
	}
	require.Equal(t, "{[secret]}", fmt.Sprintf("%v", exportedField{v}))
	require.Equal(t, "[secret]", v.String())
	require.Equal(t, "[secret]", v.GoString())
}

func TestValueEncodesClean(t *testing.T) {
	encoders := map[string]func(any) ([]byte, error){
		"json": json.Marshal,
		"yaml": yaml.Marshal,
		"xml":  xml.Marshal,
		"gob": func(a any) ([]byte, error) {
			var out bytes.Buffer
			err := gob.NewEncoder(&out).Encode(a)
			return out.Bytes(), err
		},
		"template": func(a any) ([]byte, error) {
			var out bytes.Buffer
			err := template.Must(template.New("").Parse("{{.}} {{printf `%#v` .}}")).Execute(&out, a)
			return out.Bytes(), err
		},
	}
	for format, encode := range encoders {
		for name, holder := range holders() {
			t.Run(format+" "+name, func(t *testing.T) {
				out, err := encode(holder)
				requireClean(t, string(out))
				if err != nil { // not every format has every shape
					requireClean(t, err.Error())
				}
			})
		}
	}
	out, err := json.Marshal(exportedField{markerValue()})
	require.NoError(t, err)
	require.JSONEq(t, `{"Token":"[secret]"}`, string(out))
	out, err = yaml.Marshal(exportedField{markerValue()})
	require.NoError(t, err)
	require.Contains(t, string(out), "[secret]")
}

func TestValueLogsClean(t *testing.T) {
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				log := slog.New(handler).With("with", holder).WithGroup("group")
				log.Info("message", "value", holder, slog.Group("inner", "value", holder))
			}
			requireClean(t, out.String())
		})
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("message", "token", markerValue())
	require.Contains(t, out.String(), "token=[secret]")
}

func TestValueInErrorsIsClean(t *testing.T) {
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			wrong := "wrapping what is no error: %w"
			err := fmt.Errorf("outer: %w", errors.Join(fmt.Errorf("inner %v", holder), fmt.Errorf(wrong, holder)))
			for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
				requireClean(t, fmt.Sprintf(verb, err))
			}
		})
	}
}

// report takes what testify says about a failure.
type report struct{ bytes.Buffer }

func (r *report) Errorf(format string, args ...any) { fmt.Fprintf(r, format, args...) }

func TestFailedAssertionsAreClean(t *testing.T) {
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			var out report
			// Deep equality of functions is never true: a test that compares
			// values with Equal fails, it cannot pass by mistake.
			require.False(t, assert.Equal(&out, unexportedField{secrets.NewValue([]byte("other"))}, holder))
			require.False(t, assert.Nil(&out, holder))
			require.False(t, assert.Contains(&out, []any{holder}, "nothing"))
			require.False(t, assert.ElementsMatch(&out, []any{holder}, []any{1}))
			require.False(t, assert.ObjectsAreEqual(markerValue(), secrets.NewValue([]byte("other"))))
			require.NotEmpty(t, out.String())
			requireClean(t, out.String())
		})
	}
}

// The alarm rings: what requireClean looks for is what a plain string prints.
func TestRequireCleanFindsPlainForms(t *testing.T) {
	for i, printed := range []string{
		fmt.Sprintf("%+v", struct{ v string }{marker}), fmt.Sprintf("%x", marker), fmt.Sprintf("%X", marker),
		fmt.Sprintf("% x", []byte(marker)), base64.StdEncoding.EncodeToString([]byte(marker)),
		fmt.Sprintf("%d", []byte(marker)), fmt.Sprintf("%#v", []byte(marker)),
	} {
		require.Contains(t, printed, leakedForms()[i])
	}
}

func TestValueCopiesInAndOut(t *testing.T) {
	source := []byte(marker)
	v := secrets.NewValue(source)
	source[0] = 'X'
	require.Equal(t, marker, string(v.Reveal()), "the source changed later")
	v.Reveal()[0] = 'X'
	require.Equal(t, marker, string(v.Reveal()), "a revealed copy changed later")
	require.Equal(t, len(marker), v.Len())
}

func TestValueEqual(t *testing.T) {
	v := markerValue()
	require.True(t, v.Equal(markerValue()))
	require.False(t, v.Equal(secrets.NewValue([]byte(marker+"x"))))
	require.False(t, v.Equal(secrets.NewValue([]byte("narker-9f3c-71ab"))))
	require.False(t, v.Equal(secrets.Value{}))
	require.True(t, secrets.Value{}.Equal(secrets.NewValue(nil)))
}

func TestZeroValue(t *testing.T) {
	var v secrets.Value
	require.True(t, v.IsZero())
	require.False(t, markerValue().IsZero())
	require.Zero(t, v.Len())
	require.Empty(t, v.Reveal())
	require.Equal(t, "[secret]", fmt.Sprintf("%v", v), "nor does an empty one tell that it is empty")
}

func TestFingerprint(t *testing.T) {
	// RFC 4231, test case 2.
	key, data := secrets.NewValue([]byte("Jefe")), secrets.NewValue([]byte("what do ya want for nothing?"))
	f := data.Fingerprint(key)
	require.Equal(t, secrets.Fingerprint("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"), f)
	require.Equal(t, "5bdcc146", f.Short())
	require.Equal(t, "ab", secrets.Fingerprint("ab").Short())
	require.NotEqual(t, f, data.Fingerprint(secrets.NewValue([]byte("other"))), "the key counts")
	require.NotEqual(t, f, markerValue().Fingerprint(key))
}
