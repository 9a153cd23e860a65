package attest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// The vector holds for consumers in other languages too. It was computed apart
// from this code, with Python's hmac.
func TestVector(t *testing.T) {
	k := Key(secrets.NewValue([]byte("1234567")), secrets.NewValue([]byte("abcdef")))
	const nonce = "000102030405060708090a0b0c0d0e0f"
	require.Equal(t, "00fbfe12eea38b6eec0172b7337a2dfb6ea0d177956d6c848838ba9982c5a7cb", k.request("sightengine", nonce, "1795000000"))
	require.Equal(t, "a00077fde81c5cd0bb177327cbb739421bd0363fbb501e6b03a9cc673c46be42", k.response("sightengine", nonce))
}

func TestReplayCacheForgetsWhatIsTooOldAnyway(t *testing.T) {
	now := time.Unix(1_795_000_000, 0)
	h := Handler(nil, func() time.Time { return now }).(*handler)
	require.True(t, h.fresh("a", now))
	now = now.Add(3 * MaxAge)
	require.True(t, h.fresh("b", now))
	require.Len(t, h.seen, 1)
}

func FuzzHandler(f *testing.F) {
	f.Add("sightengine", "000102030405060708090a0b0c0d0e0f", "1795000000", "00")
	f.Add("", "", "", "")
	f.Add("a\x00b", "é", "-1", "ff")
	f.Fuzz(func(t *testing.T, name, nonce, unix, mac string) {
		lookup := func(string) ([]secrets.Value, bool) { return []secrets.Value{secrets.NewValue([]byte("abcdef"))}, true }
		h := Handler(lookup, func() time.Time { return time.Unix(1_795_000_000, 0) })
		query := url.Values{"name": {name}, "nonce": {nonce}, "time": {unix}}
		req := httptest.NewRequest(http.MethodGet, "/?"+query.Encode(), nil)
		req.Header.Set(Header, mac)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		require.Equal(t, http.StatusNotFound, rec.Code)
	})
}
