package stackfile

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// samples are the texts of testdata by name: stack files as people have them.
func samples(t *testing.T, pattern string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	require.NoError(t, err)
	out := map[string]string{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		require.NoError(t, err)
		out[strings.TrimSuffix(filepath.Base(f), ".yaml")] = string(raw)
	}
	return out
}

// between cuts what before and after have in common off both ends.
func between(before, after string) (gone, come string) {
	n := 0
	for n < min(len(before), len(after)) && before[n] == after[n] {
		n++
	}
	before, after = before[n:], after[n:]
	n = 0
	for n < min(len(before), len(after)) && before[len(before)-1-n] == after[len(after)-1-n] {
		n++
	}
	return before[:len(before)-n], after[:len(after)-n]
}

// added is all that a new key may put into a file, once, in one place.
var added = regexp.MustCompile(`^[\s{,]*(config:[\s{]*)?"?shop:[a-z-]+"?:\s*\{?\s*secure: CIPHER\s*[},\s]*$`)

// TestCorpusByteForByte compares without knowing how an edit is made: what is
// not common to the two texts must be the ciphertext, or the new entry.
func TestCorpusByteForByte(t *testing.T) {
	k := newKit(t)
	all := samples(t, "*.yaml")
	require.GreaterOrEqual(t, len(all), 30)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			before := k.fill(all[name])
			for _, key := range []string{"stripe-secret-key", "a-new-one"} {
				f := file(t, before)
				edit, err := f.Update(context.Background(), map[string]secrets.Value{key: value("sk_new\r\nsecond line\r")}, false, k.open)
				require.NoError(t, err)
				require.Equal(t, []string{key}, edit.Changed)
				after := k.only(read(t, f))
				if want, err := os.ReadFile(filepath.Join("testdata", name+".after")); err == nil && key == "stripe-secret-key" {
					require.Equal(t, k.fill(string(want)), after)
				} else if key == "a-new-one" || !strings.Contains(all[name], "stripe-secret-key") {
					gone, come := between(before, after)
					require.Regexp(t, `^( null)?$`, gone)
					require.Regexp(t, added, come)
				} else {
					// The old ciphertexts of other keys stay, so this one says where.
					require.Equal(t, before, strings.Replace(after, "CIPHER", k.old, 1))
				}
				c, err := f.Load()
				require.NoError(t, err)
				opened, err := f.Decrypt(context.Background(), c, k.crypt)
				require.NoError(t, err)
				require.True(t, opened.Secrets[key].Equal(value("sk_new\r\nsecond line\r")))
				require.NoError(t, edit.Undo())
				require.Equal(t, before, read(t, f))
			}
		})
	}
}

func TestCorpusOfRefusedFiles(t *testing.T) {
	k := newKit(t)
	all := samples(t, "refused/*.yaml")
	require.GreaterOrEqual(t, len(all), 13)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			before := k.fill(all[name])
			f := file(t, before)
			_, err := f.Update(context.Background(), map[string]secrets.Value{"stripe-secret-key": value("sk_new")}, false, k.open)
			require.Error(t, err)
			t.Log(err)
			require.Contains(t, err.Error(), "Pulumi.prod.yaml")
			require.NotContains(t, err.Error(), "sk_new")
			require.Equal(t, before, read(t, f))
			left, err := os.ReadDir(filepath.Dir(f.Path))
			require.NoError(t, err)
			require.Len(t, left, 1)
		})
	}
}
