package secrets

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFinder(t *testing.T) {
	const text = "sk_live_0123456789/abc+def="
	f := NewFinder(NewValue([]byte(text)))
	for _, in := range []string{text, "A=" + text, "A='" + text + "'", "A: " + text + " # it", "A=" + text + "#it", `{"A":"sk_live_0123456789\/abc+def="}`,
		"https://user:sk_live_0123456789%2Fabc%2Bdef%3D@host", "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+text))} {
		require.GreaterOrEqual(t, f.Next([]byte(in), 0), 0, in)
	}
	require.Equal(t, -1, f.Next([]byte("A=sk_live_0123456789/abc"), 0), "a part of it is another value")
	require.Equal(t, -1, f.Next([]byte("A="+text), 3))
	digits := NewFinder(NewValue([]byte("12345678")))
	require.Equal(t, -1, digits.Next([]byte("912345678 123456789"), 0), "a part of a longer number")
	require.Equal(t, 10, digits.Next([]byte("912345678 12345678"), 0))

	pem := NewFinder(NewValue([]byte("-----BEGIN KEY-----\nMIIabcdef\n-----END KEY-----")))
	require.Equal(t, 5, pem.Next([]byte("KEY=\"-----BEGIN KEY-----\nMIIabcdef\n-----END KEY-----\"\n"), 0))
	require.Equal(t, 5, pem.Next([]byte(`KEY="-----BEGIN KEY-----\nMIIabcdef\n-----END KEY-----"`), 0))
	require.Equal(t, -1, pem.Next([]byte("-----BEGIN KEY-----\nMIIother\n-----END KEY-----"), 0), "only the whole is the value")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", f, f, f), "sk_live")
	require.Equal(t, -1, NewFinder(NewValue([]byte("abc"))).Next([]byte("abc"), 0))
}
