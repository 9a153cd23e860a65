package attest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
)

var start = time.Unix(1_795_000_000, 0)

func values(texts ...string) []secrets.Value {
	var out []secrets.Value
	for _, s := range texts {
		out = append(out, secrets.NewValue([]byte(s)))
	}
	return out
}

// consumer runs with user 1234567 and secret abcdef as "pair".
type consumer struct {
	*httptest.Server
	runs map[string][]secrets.Value
	now  time.Time
}

func newConsumer(t *testing.T) *consumer {
	c := &consumer{runs: map[string][]secrets.Value{"pair": values("1234567", "abcdef")}, now: start}
	lookup := func(name string) ([]secrets.Value, bool) {
		v, ok := c.runs[name]
		return v, ok
	}
	c.Server = httptest.NewServer(attest.Handler(lookup, func() time.Time { return c.now }))
	t.Cleanup(c.Close)
	return c
}

func (c *consumer) ask(t *testing.T, name string, at time.Time, texts ...string) error {
	t.Helper()
	req, pending, err := attest.NewRequest(context.Background(), c.URL+attest.Path, name, attest.Key(values(texts...)...), at)
	require.NoError(t, err)
	return pending.Verify(send(t, req))
}

func send(t *testing.T, req *http.Request) *http.Response {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	return resp
}

func TestAnswersOnlyForTheWholeCredentialItRunsWith(t *testing.T) {
	c := newConsumer(t)
	require.NoError(t, c.ask(t, "pair", start, "1234567", "abcdef"))
	for name, other := range map[string][]string{
		"swapped":        {"abcdef", "1234567"},
		"half, user":     {"1234567"},
		"half, secret":   {"abcdef"},
		"torn":           {"1234567", "ABCDEF"},
		"joined":         {"1234567abcdef"},
		"shifted border": {"1234567a", "bcdef"},
		"with an empty":  {"1234567", "abcdef", ""},
		"nothing":        {},
	} {
		require.ErrorIs(t, c.ask(t, "pair", start, other...), attest.ErrRefused, name)
	}
	require.ErrorIs(t, c.ask(t, "other", start, "1234567", "abcdef"), attest.ErrRefused)
}

func TestTimeAndClock(t *testing.T) {
	c := newConsumer(t)
	for age, ok := range map[time.Duration]bool{
		0: true, attest.MaxAge: true, -attest.MaxAge: true,
		attest.MaxAge + time.Second: false, -attest.MaxAge - time.Second: false, 24 * time.Hour: false,
	} {
		err := c.ask(t, "pair", start.Add(-age), "1234567", "abcdef")
		require.Equal(t, ok, err == nil, "age %s: %v", age, err)
	}
}

func TestReplayIsRefusedForAsLongAsItsTimeIsAccepted(t *testing.T) {
	for _, sent := range []time.Time{start, start.Add(attest.MaxAge), start.Add(-attest.MaxAge / 2)} {
		c := newConsumer(t)
		req, pending, err := attest.NewRequest(context.Background(), c.URL, "pair", attest.Key(values("1234567", "abcdef")...), sent)
		require.NoError(t, err)
		require.NoError(t, pending.Verify(send(t, req)))
		for c.now = start; c.now.Before(start.Add(3 * attest.MaxAge)); c.now = c.now.Add(7 * time.Second) {
			require.ErrorIs(t, pending.Verify(send(t, req)), attest.ErrRefused)
			if c.now.Sub(start) > attest.MaxAge { // others come by and let the cache forget
				require.NoError(t, c.ask(t, "pair", c.now, "1234567", "abcdef"))
			}
		}
	}
}

func TestARefusedRequestDoesNotUseItsNonceUp(t *testing.T) {
	c := newConsumer(t)
	req, pending, err := attest.NewRequest(context.Background(), c.URL, "pair", attest.Key(values("1234567", "abcdef")...), start)
	require.NoError(t, err)
	forged := req.Clone(context.Background())
	forged.Header.Set(attest.Header, "00")
	require.Equal(t, http.StatusNotFound, send(t, forged).StatusCode)
	require.NoError(t, pending.Verify(send(t, req)))
}

func TestAlternatingConsumerIsSeen(t *testing.T) {
	c := newConsumer(t)
	old, fresh := values("1234567", "abcdef"), values("7654321", "fedcba")
	for i := range 6 {
		c.runs["pair"] = [][]secrets.Value{old, fresh}[i%2]
		err := c.ask(t, "pair", start, "7654321", "fedcba")
		require.Equal(t, i%2 == 1, err == nil, err)
	}
}

func TestEmptyValuesProveNothing(t *testing.T) {
	c := newConsumer(t)
	c.runs["pair"] = values("1234567", "")
	require.ErrorIs(t, c.ask(t, "pair", start, "1234567", ""), attest.ErrRefused)
	c.runs["pair"] = nil
	require.ErrorIs(t, c.ask(t, "pair", start), attest.ErrRefused)
}

// raw sends a request as its parts say and returns what a stranger sees.
func (c *consumer) raw(t *testing.T, method, query, mac string) string {
	t.Helper()
	req, err := http.NewRequest(method, c.URL+attest.Path+"?"+query, nil)
	require.NoError(t, err)
	req.Header.Set(attest.Header, mac)
	resp := send(t, req)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Header.Del("Date")
	return fmt.Sprint(resp.StatusCode, resp.Header, string(body))
}

func TestEveryRefusalLooksTheSame(t *testing.T) {
	c := newConsumer(t)
	req, pending, err := attest.NewRequest(context.Background(), c.URL, "pair", attest.Key(values("1234567", "abcdef")...), start)
	require.NoError(t, err)
	good, mac := req.URL.Query(), req.Header.Get(attest.Header)
	want := c.raw(t, "GET", "", "")
	require.Contains(t, want, "404")
	with := func(key, value string) string {
		q := url.Values{}
		for k := range good {
			q.Set(k, good.Get(k))
		}
		q.Set(key, value)
		return q.Encode()
	}
	stale := strconv.FormatInt(start.Add(-time.Hour).Unix(), 10)
	for _, query := range []string{
		with("name", "other"), with("name", "PAIR"), with("name", "pair\x00"), with("time", stale), with("time", "+"+good.Get("time")),
		with("time", "x"), with("nonce", "00"), with("nonce", good.Get("nonce")[1:]+"A"), "%zz",
	} {
		require.Equal(t, want, c.raw(t, "GET", query, mac), query)
	}
	for _, wrong := range []string{"", "00", mac[1:] + "0", mac + "0"} {
		require.Equal(t, want, c.raw(t, "GET", good.Encode(), wrong))
	}
	require.Equal(t, want, c.raw(t, "POST", good.Encode(), mac))
	require.NoError(t, pending.Verify(send(t, req)), "the request itself was good")
	require.Equal(t, want, c.raw(t, "GET", good.Encode(), mac), "replay")
}

func TestAnswersThatProveNothing(t *testing.T) {
	key := attest.Key(values("abcdef")...)
	other, otherPending, err := attest.NewRequest(context.Background(), "http://consumer", "pair", key, start)
	require.NoError(t, err)
	recorded := httptest.NewRecorder()
	attest.Handler(func(string) ([]secrets.Value, bool) { return values("abcdef"), true }, func() time.Time { return start }).ServeHTTP(recorded, other)
	require.NoError(t, otherPending.Verify(recorded.Result()))

	verify := func(status int, body string) error {
		_, pending, err := attest.NewRequest(context.Background(), "http://consumer", "pair", key, start)
		require.NoError(t, err)
		return pending.Verify(&http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewBufferString(body))})
	}
	require.ErrorIs(t, verify(200, recorded.Body.String()), attest.ErrForged, "an answer to another nonce")
	require.ErrorIs(t, verify(200, `{}`), attest.ErrForged)
	for _, unclear := range []error{verify(502, ""), verify(302, ""), verify(200, "<html>")} {
		require.Error(t, unclear)
		require.NotErrorIs(t, unclear, attest.ErrRefused)
		require.NotErrorIs(t, unclear, attest.ErrForged)
	}
}

func TestRequestMACIsNoAnswer(t *testing.T) {
	key := attest.Key(values("abcdef")...)
	req, pending, err := attest.NewRequest(context.Background(), "http://consumer", "pair", key, start)
	require.NoError(t, err)
	body := fmt.Sprintf(`{"name":"pair","nonce":%q,"mac":%q}`, req.URL.Query().Get("nonce"), req.Header.Get(attest.Header))
	require.ErrorIs(t, pending.Verify(&http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewBufferString(body))}), attest.ErrForged)
}

func TestKeyDoesNotPrint(t *testing.T) {
	a, b := attest.Key(values("one")...), attest.Key(values("two")...)
	require.Equal(t, "[secret]", fmt.Sprintf("%x", a))
	require.NotContains(t, fmt.Sprintf("%+v %#v", struct{ k attest.K }{a}, struct{ k attest.K }{b}), "one")
	_, pending, err := attest.NewRequest(context.Background(), "http://consumer", "pair", a, start)
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%+v %#v %x", pending, pending, pending), "one")
}

func TestBadNamesAreNotAsked(t *testing.T) {
	for _, name := range []string{"", "Stripe", "a\x00b", "a b", string(make([]byte, 65))} {
		_, _, err := attest.NewRequest(context.Background(), "http://consumer", name, attest.Key(), start)
		require.Error(t, err)
	}
}
