package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// shortestLine is the length in characters of the shortest line of a
// multi-line value that is hidden by itself.
const shortestLine = 6

// formsOf returns every form in which value may show up.
func formsOf(value []byte) []string {
	text := string(value)
	// These words tell nothing, and a stack's secret config may hold them.
	if len(value) < shortestRedacted || slices.Contains([]string{"true", "false", "null"}, text) {
		return nil
	}
	forms := encodings(text)
	if strings.ContainsAny(text, "\r\n") {
		for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
			// Tools indent the lines of a block.
			if line = strings.TrimSpace(line); len(line) >= shortestLine {
				forms = append(forms, encodings(line)...)
			}
		}
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

func encodings(text string) []string {
	forms := []string{text, hex.EncodeToString([]byte(text)), strings.ToUpper(hex.EncodeToString([]byte(text)))}
	forms = append(forms, base64Forms(text)...)
	forms = append(forms, urlForms(text)...)
	return append(forms, jsonForms(text)...)
}

// base64Forms: in a larger text (user:password) the value begins at one of
// three offsets in a group. What stays the same whatever stands around it are
// the characters made of its bits alone; where the text ends with the value,
// the last character is known too, and the padding.
func base64Forms(text string) []string {
	var forms []string
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for offset := range 3 {
			padded := encoding.EncodeToString(append(make([]byte, offset), text...))
			first := (offset*8 + 5) / 6
			last := (offset + len(text)) * 8 / 6
			forms = append(forms, padded[first:last], padded[first:], strings.TrimRight(padded[first:], "="))
		}
	}
	return forms
}

// urlForms covers query and path escapes, a browser's encodeURIComponent, and
// escapes in lower case.
func urlForms(text string) []string {
	query := url.QueryEscape(text)
	percent := strings.ReplaceAll(query, "+", "%20")
	browser := strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(percent)
	var forms []string
	for _, form := range []string{query, percent, browser, url.PathEscape(text)} {
		forms = append(forms, form, lowerEscapes(form))
	}
	return forms
}

func lowerEscapes(form string) string {
	out := []byte(form)
	for i := 0; i+2 < len(out); i++ {
		if out[i] == '%' {
			copy(out[i+1:i+3], bytes.ToLower(out[i+1:i+3]))
		}
	}
	return string(out)
}

// jsonForms are the insides of JSON strings: with and without the escapes for
// HTML and for /, as Go's own %q writes them, and the same once more for JSON
// inside JSON.
func jsonForms(text string) []string {
	var forms []string
	for _, once := range jsonEscapes(text) {
		forms = append(forms, once)
		forms = append(forms, jsonEscapes(once)...)
	}
	return forms
}

func jsonEscapes(text string) []string {
	plain := jsonEscape(text, false)
	return []string{
		plain, jsonEscape(text, true), strings.ReplaceAll(plain, "/", `\/`),
		inside(strconv.Quote(text)), inside(strconv.QuoteToASCII(text)),
	}
}

// inside is a quoted text without its quotes.
func inside(quoted string) string { return quoted[1 : len(quoted)-1] }

func jsonEscape(text string, html bool) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(html)
	// Text always encodes; bytes that are no UTF-8 come out replaced, as they
	// would in anybody's JSON.
	_ = encoder.Encode(text)
	return inside(strings.TrimSuffix(out.String(), "\n"))
}
