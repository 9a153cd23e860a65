package secrets_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// FuzzParse: whatever is in the file, Parse returns a catalog or problems with
// a place, and does not panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	for _, c := range append(badTypes(), badRest()...) {
		f.Add([]byte(strings.Replace(small, c.old, c.new, 1)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cat, err := secrets.Parse("x.yaml", data)
		if err == nil {
			require.NotEmpty(t, cat.Secrets)
			require.NotEmpty(t, cat.Graph())
			return
		}
		var wrong *secrets.CatalogError
		require.True(t, errors.As(err, &wrong))
		require.NotEmpty(t, wrong.Problems)
		for _, p := range wrong.Problems {
			require.Positive(t, p.Line)
			require.Positive(t, p.Column)
			require.NotEmpty(t, p.Found)
			require.NotEmpty(t, p.Expected)
		}
	})
}

// FuzzRedactor: two values, a text that holds them, cut anywhere.
func FuzzRedactor(f *testing.F) {
	f.Add("hunter2-long", "ter2", "a hunter2-long b ter2-lon", uint(5), uint(9))
	f.Add("aaaa", "aaaaaa", "aaaaaaaaaaa", uint(3), uint(1))
	f.Add("line one\nline two", "two\n\r\nlines", "x line one\nline two y", uint(12), uint(2))
	f.Fuzz(func(t *testing.T, first, second, text string, cut, then uint) {
		r := redactor(first, second)
		whole := text + first + text + second + text
		var out bytes.Buffer
		w := r.Writer(&out)
		a := int(cut % uint(len(whole)+1))
		b := a + int(then%uint(len(whole)-a+1))
		for _, part := range []string{whole[:a], whole[a:b], whole[b:]} {
			write(t, w, part)
		}
		require.NoError(t, w.Close())
		for _, v := range []string{first, second} {
			// The mark itself may complete a value that is part of it.
			if len(v) >= 4 && v != "true" && v != "false" && v != "null" && !strings.ContainsAny(v, "[]secrt") {
				require.NotContains(t, out.String(), v)
			}
		}
		// In one piece or in three is the same, but for what Close hides at the end.
		require.True(t, strings.HasPrefix(r.String(whole), strings.TrimSuffix(out.String(), "[secret]")))
	})
}
