package drift

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// utf16Text is a text as Windows writes it.
func utf16Text(text string, order binary.ByteOrder) []byte {
	out := order.(binary.AppendByteOrder).AppendUint16(nil, 0xfeff)
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.(binary.AppendByteOrder).AppendUint16(out, unit)
	}
	return out
}

// Every tool that reads such files has a grammar of its own: a copy is found in
// each, and what cannot be read is told as not checked.
func TestCopiesInEveryFormOfFile(t *testing.T) {
	const key, pem = "sk_live_0123456789abcdef", "-----BEGIN KEY-----\nMIIabcdef0123\n-----END KEY-----"
	values := []original{{"stripe", "secret-key", value(key)}, {"signer", "key", value(pem)}}
	for name, c := range map[string]struct {
		text     string
		subjects []string
		gaps     int
	}{
		"a colon":                {"KEY: " + key + "\n", []string{"file/.env/KEY"}, 0},
		"backticks":              {"KEY=`" + key + "`\n", []string{"file/.env/KEY"}, 0},
		"a comment behind it":    {"KEY=" + key + "#live\n", []string{"file/.env/KEY"}, 0},
		"quotes and a comment":   {"KEY='" + key + "' # live\n", []string{"file/.env/KEY"}, 0},
		"JSON":                   {"{\n  \"A\": 1,\n  \"KEY\": \"" + key + "\"\n}\n", []string{"file/.env/KEY"}, 0},
		"in an address":          {"URL=https://user:" + key + "@host/\n", []string{"file/.env/URL"}, 0},
		"no name":                {"\n" + key + "\n", []string{"file/.env/line-2"}, 0},
		"the mark of UTF-8":      {"\xef\xbb\xbfKEY=" + key, []string{"file/.env/KEY"}, 0},
		"UTF-16":                 {string(utf16Text("A=1\r\nKEY="+key+"\r\n", binary.LittleEndian)), []string{"file/.env/KEY"}, 0},
		"UTF-16 the other way":   {string(utf16Text("KEY="+key+"\r\n", binary.BigEndian)), []string{"file/.env/KEY"}, 0},
		"several lines":          {"A=1\nPEM=\"" + pem + "\"\n", []string{"file/.env/PEM"}, 0},
		"several lines, escaped": {`PEM="-----BEGIN KEY-----\nMIIabcdef0123\n-----END KEY-----"`, []string{"file/.env/PEM"}, 0},
		"twice":                  {"A=" + key + "\nB=" + key + "\n", []string{"file/.env/A", "file/.env/B"}, 0},
		"another PEM":            {"PEM=\"-----BEGIN KEY-----\nMIIother\n-----END KEY-----\"\n", nil, 0},
		"a comment":              {"#KEY=" + key + "\n", nil, 0},
		"a longer value":         {"KEY=" + key + "0\n", nil, 0},
		"no text":                {"\x00GITCRYPT\x00\xfe", nil, 1},
		"sops":                   {"KEY=ENC[AES256_GCM,data:x,iv:y]\n", nil, 1},
		"dotenvx":                {"KEY=\"encrypted:BDqDBibm\"\n", nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := company(t)
			s.Search = []string{t.TempDir()}
			require.NoError(t, os.WriteFile(filepath.Join(s.Search[0], ".env"), []byte(c.text), 0o600))
			out := sheet{next: func(error) string { return "" }}
			s.dotenv(values, &out)
			var subjects []string
			for _, f := range out.findings {
				subjects = append(subjects, f.Subject)
			}
			require.ElementsMatch(t, c.subjects, subjects)
			require.Len(t, out.gaps, c.gaps)
		})
	}
}
