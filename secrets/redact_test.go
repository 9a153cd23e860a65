package secrets_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func redactor(values ...string) *secrets.Redactor {
	r := secrets.NewRedactor()
	for _, v := range values {
		r.Add(secrets.NewValue([]byte(v)))
	}
	return r
}

func TestRedactorHidesEveryForm(t *testing.T) {
	const v = `s€cret "4/2"\+<&>~!x y`
	inJSON, err := json.Marshal(v)
	require.NoError(t, err)
	twice, err := json.Marshal(string(inJSON))
	require.NoError(t, err)
	plain := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(inJSON))
	r := redactor(v)
	for name, c := range map[string]struct{ text, want string }{
		"raw":                {"a " + v + " b", "a [secret] b"},
		"twice":              {v + " " + v, "[secret] [secret]"},
		"json":               {`{"k":` + string(inJSON) + `}`, `{"k":"[secret]"}`},
		"json without html":  {`{"k":` + plain + `}`, `{"k":"[secret]"}`},
		"json with slashes":  {`{"k":` + strings.ReplaceAll(plain, "/", `\/`) + `}`, `{"k":"[secret]"}`},
		"json in json":       {string(twice), `"\"[secret]\""`},
		"json in ASCII":      {strings.ReplaceAll(plain, "€", `\u20ac`), `"[secret]"`},
		"%q":                 {fmt.Sprintf("%q", v), `"[secret]"`},
		"hex":                {hex.EncodeToString([]byte(v)), "[secret]"},
		"HEX":                {strings.ToUpper(hex.EncodeToString([]byte(v))), "[secret]"},
		"query":              {"?a=" + url.QueryEscape(v) + "&b=1", "?a=[secret]&b=1"},
		"path":               {"/" + url.PathEscape(v) + "/x", "/[secret]/x"},
		"%20":                {strings.ReplaceAll(url.QueryEscape(v), "+", "%20"), "[secret]"},
		"encodeURIComponent": {"s%E2%82%ACcret%20%224%2F2%22%5C%2B%3C%26%3E~!x%20y", "[secret]"},
		"escapes lower":      {"s%e2%82%accret+%224%2f2%22%5c%2b%3c%26%3e~%21x+y", "[secret]"},
	} {
		assert.Equal(t, c.want, r.String(c.text), name)
		assert.True(t, r.Holds([]byte(c.text)), name)
	}
	assert.Equal(t, "nothing here", r.String("nothing here"))
	assert.False(t, r.Holds([]byte(v[1:])))
}

// Whatever stands before and after it, and with every encoding, at most the
// characters that are shared with a neighbour are left of a value in base64.
func TestRedactorHidesBase64AtEveryOffset(t *testing.T) {
	for _, v := range []string{"sk_live_0123456789abcd", "sk_live_0123456789abcde", "sk_live_0123456789abcdef", "\xfb\xff\xfe>?\xff\xfa~\xff", "pass"} {
		r := redactor(v)
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			for _, before := range []string{"", "u", "u:", "us:", "user:", "user2:"} {
				for _, after := range []string{"", "\n", ".", ". ", ".  "} {
					out := r.String(encoding.EncodeToString([]byte(before + v + after)))
					at := strings.Index(out, "[secret]")
					require.NotEqual(t, -1, at, "%q %q: %s", before, after, out)
					// A group of four has three bytes: those of a neighbour may fill one each.
					require.LessOrEqual(t, at, (len(before)*4+2)/3+1, out)
					require.LessOrEqual(t, len(out)-at-len("[secret]"), (len(after)*4+2)/3+3, out)
				}
			}
			alone := r.String(encoding.EncodeToString([]byte(v)))
			require.Equal(t, "[secret]", alone, "nothing is left of a value that stands alone")
		}
	}
}

func TestRedactorHidesLinesOfAMultiLineValue(t *testing.T) {
	key := "-----BEGIN KEY-----\r\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEHBG0w\nabc\n-----END KEY-----\n"
	r := redactor(key)
	require.Equal(t, "x [secret]y", r.String("x "+key+"y"))
	require.Equal(t, "    [secret]\n    [secret]\n    abc\n", r.String("    MIGHAgEAMBMGByqGSM49\n    AgEGCCqGSM49AwEHBG0w\n    abc\n"), "a line under 6 characters is left")
	require.Equal(t, "[secret]\n", redactor("a:\n    indented line\n").String("indented line\n"))
	require.Equal(t, `{"key":"[secret]"}`, r.String(`{"key":"-----BEGIN KEY-----\r\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEHBG0w\nabc\n-----END KEY-----\n"}`))
	require.NotContains(t, r.String(base64.StdEncoding.EncodeToString([]byte("> MIGHAgEAMBMGByqGSM49 <"))), "TUlHSEFnRUFNQk1HQnlxR1NNNDk"[4:20])
}

func TestRedactorLeavesNothingWhereValuesOverlap(t *testing.T) {
	for _, c := range []struct {
		values []string
		text   string
		want   string
	}{
		{[]string{"hunter", "hunter2-long"}, "hunter2-long", "[secret]"},
		{[]string{"hunter2-long", "hunter"}, "hunter2-lon.", "[secret]2-lon."},
		{[]string{"abcdef", "defghi"}, "abcdefghi", "[secret]"},
		{[]string{"defghi", "abcdef"}, ".abcdefghi.", ".[secret]."},
		{[]string{"xhunter2y", "hunter2"}, "xhunter2z", "x[secret]z"},
		{[]string{"aaaa"}, "aaaaaaa", "[secret]"},
		{[]string{"abcabd"}, "abcabcabd", "abc[secret]"},
		{[]string{"aaab"}, "aaaaab", "aa[secret]"},
	} {
		require.Equal(t, c.want, redactor(c.values...).String(c.text), c.text)
	}
}

func TestRedactorLeavesWhatTellsNothing(t *testing.T) {
	r := redactor("", "abc", "true", "false", "null")
	require.Equal(t, "abc is true, not false or null", r.String("abc is true, not false or null"))
	require.False(t, r.Holds([]byte("abc")))
	require.Equal(t, "[secret]", redactor("abcd").String("abcd"))
}

// sink records every write.
type sink struct{ writes []string }

func (s *sink) Write(p []byte) (int, error) {
	s.writes = append(s.writes, string(p))
	return len(p), nil
}

func write(t require.TestingT, w io.Writer, text string) {
	n, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.Equal(t, len(text), n)
}

func TestRedactingWriterStaysLive(t *testing.T) {
	var out sink
	w := redactor("hunter2-long").Writer(&out)
	for _, step := range []struct{ in, out string }{
		{"updating...", "updating..."},
		{" done h", " done "},
		{"un", ""},
		{"dred\n", "hundred\n"},
		{"token=hunter2", "token="},
		{"-lo", ""},
		{"ng", "[secret]"},
		{" rest\n", " rest\n"},
	} {
		before := len(out.writes)
		write(t, w, step.in)
		require.Equal(t, step.out, strings.Join(out.writes[before:], ""), "after %q", step.in)
		require.LessOrEqual(t, len(out.writes)-before, 1, "a write goes out in one piece")
	}
	require.NoError(t, w.Close())
}

func TestRedactingWriterHidesAValueThatWasCutOff(t *testing.T) {
	for in, want := range map[string]string{
		"token=sk_live_QZXJ": "token=[secret]",
		"token=sk_live_":     "token=sk_live_", // every live key begins so
		"token=sk_":          "token=sk_",
		"a hunt":             "a [secret]",
		"a hun":              "a hun", // too short to tell anything
	} {
		var out sink
		w := redactor("sk_live_QZXJQZXJ", "hunter2-long").Writer(&out)
		write(t, w, in)
		require.NoError(t, w.Close())
		require.Equal(t, want, strings.Join(out.writes, ""), in)
	}
	require.Equal(t, "token=sk_live_QZXJ", redactor("sk_live_QZXJQZXJ").String("token=sk_live_QZXJ"), "a text is not cut off")
}

func TestRedactingWriterTakesValuesAddedLater(t *testing.T) {
	var out sink
	r := redactor("abcd", "abcdefgh")
	w := r.Writer(&out)
	write(t, w, "later-value abcd")
	r.Add(secrets.NewValue([]byte("later-value")))
	write(t, w, "efgh later-val")
	write(t, w, "ue.")
	require.NoError(t, w.Close())
	require.Equal(t, "later-value [secret] [secret].", strings.Join(out.writes, ""))
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestRedactingWriterReportsAFailedWrite(t *testing.T) {
	w := redactor("abcdef").Writer(broken{})
	_, err := io.WriteString(w, "ab")
	require.NoError(t, err, "all of it is held")
	_, err = io.WriteString(w, "x")
	require.EqualError(t, err, "disk full")
	require.EqualError(t, w.Close(), "disk full")
}

func TestRedactorPrintsNothing(t *testing.T) {
	r := redactor(marker)
	w := r.Writer(io.Discard)
	write(t, w, marker[:10])
	for _, holder := range []any{r, *r, struct{ r *secrets.Redactor }{r}, w, struct{ w io.Writer }{w}} {
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			require.NotContains(t, fmt.Sprintf(verb, holder), marker[:10])
		}
		var said report
		require.False(t, assert.Equal(&said, 1, holder))
		require.NotContains(t, said.String(), marker[:10])
	}
}

func TestRedactorIsSafeForConcurrentUse(t *testing.T) {
	r := redactor("first-value")
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			own := fmt.Sprintf("value-number-%d", i)
			r.Add(secrets.NewValue([]byte(own)))
			var out bytes.Buffer
			w := r.Writer(&out)
			_, _ = io.WriteString(w, own+" first-value")
			_ = w.Close()
			assert.Equal(t, "[secret] [secret]", out.String())
			assert.True(t, r.Holds([]byte("--token="+own)))
		})
	}
	group.Wait()
}

// expected redacts by looking for every form everywhere: slow and plain.
func expected(text string, forms []string) string {
	hide := make([]bool, len(text))
	for _, form := range forms {
		for i := range text {
			if strings.HasPrefix(text[i:], form) {
				for j := range len(form) {
					hide[i+j] = true
				}
			}
		}
	}
	var out strings.Builder
	for i := range len(text) {
		if !hide[i] {
			out.WriteByte(text[i])
		} else if i == 0 || !hide[i-1] {
			out.WriteString("[secret]")
		}
	}
	return out.String()
}

// rawForms are the forms of a value of plain letters, base64 aside.
func rawForms(v string) []string { return []string{v, hex.EncodeToString([]byte(v))} }

func TestRedactorDoesWhatThePlainWayDoes(t *testing.T) {
	// Few letters, so that values overlap and begin inside each other. None of
	// them is a digit of hex or occurs in base64 of the others by chance.
	letters := rapid.StringMatching(`[xy]{4,7}`)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(letters, 1, 4).Draw(t, "values")
		r := redactor(values...)
		var forms []string
		for _, v := range values {
			forms = append(forms, rawForms(v)...)
		}
		parts := rapid.SliceOf(rapid.OneOf(rapid.SampledFrom(forms), rapid.StringMatching(`[xyz .\n]{0,6}`))).Draw(t, "parts")
		text := strings.Join(parts, "") + "." // ends in no value's beginning
		want := expected(text, forms)
		require.Equal(t, want, r.String(text))
		require.Equal(t, want != text, r.Holds([]byte(text)))

		var out sink
		w := r.Writer(&out)
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "chunk")
			write(t, w, rest[:n])
			rest = rest[n:]
			done := strings.TrimRight(text[:len(text)-len(rest)], "xyza0123456789")
			require.True(t, strings.HasPrefix(strings.Join(out.writes, ""), expected(done, forms)), "what no value can begin in goes out at once")
		}
		require.NoError(t, w.Close())
		require.Equal(t, want, strings.Join(out.writes, ""))
	})
}

func TestRedactorHidesAnyValueInAnySplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.Byte(), 6, 40).Draw(t, "value")
		r := secrets.NewRedactor()
		r.Add(secrets.NewValue(v))
		asJSON, err := json.Marshal(string(v))
		require.NoError(t, err)
		form := rapid.SampledFrom([]string{
			string(v), hex.EncodeToString(v), strings.ToUpper(hex.EncodeToString(v)), base64.StdEncoding.EncodeToString(v),
			base64.RawURLEncoding.EncodeToString(v), url.QueryEscape(string(v)), url.PathEscape(string(v)), string(asJSON[1 : len(asJSON)-1]),
		}).Draw(t, "form")
		var out sink
		w := r.Writer(&out)
		for rest := "~" + form + "~"; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "chunk")
			write(t, w, rest[:n])
			rest = rest[n:]
		}
		require.NoError(t, w.Close())
		got := strings.Join(out.writes, "")
		require.NotContains(t, got, form)
		require.Contains(t, got, "[secret]")
		require.LessOrEqual(t, len(got), len("~[secret]~"))
	})
}
