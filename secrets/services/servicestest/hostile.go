package servicestest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Check makes a client for a base address and has it check the credential.
type Check func(ctx context.Context, base string, limits services.Limits) (services.Report, error)

// hostile is an answer that no service should give.
type hostile struct {
	name  string
	serve http.HandlerFunc
	kind  services.Kind
	calls int // how often the client may ask
	wait  time.Duration
	after time.Duration // RetryAfter of the error
}

// Hostile runs a client against answers that are not the service's: every one
// must end in Unknown with an error that says what to do next, in bounded
// calls, and without a word of the answer, which echoes the credential.
func Hostile(t *testing.T, cred services.Credential, check Check) {
	t.Helper()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	t.Cleanup(elsewhere.Close)
	for _, h := range append(answers(elsewhere.URL), silences()...) {
		t.Run(h.name, func(t *testing.T) {
			var calls atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				h.serve(w, r)
			}))
			defer server.Close()
			waits := &Waits{}
			limit := 10 * time.Second
			if h.name == "slow body" {
				limit = 200 * time.Millisecond
			}
			report, err := check(t.Context(), server.URL, waits.Limits(limit))
			judge(t, h, cred, report, err)
			require.Equal(t, h.calls, int(calls.Load()), "number of requests")
			require.Len(t, waits.All(), h.calls-1)
			for _, w := range waits.All() {
				require.GreaterOrEqual(t, w, h.wait)
				require.LessOrEqual(t, w, time.Minute)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		report, err := check(t.Context(), server.URL, Quick())
		judge(t, hostile{kind: services.Outage}, cred, report, err)
	})
	t.Run("caller gives up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		}))
		defer server.Close()
		report, err := check(ctx, server.URL, Quick())
		require.Equal(t, services.Unknown, report.State)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, services.Canceled, services.KindOf(err))
	})
}

func judge(t *testing.T, h hostile, cred services.Credential, report services.Report, err error) {
	t.Helper()
	require.Equal(t, services.Unknown, report.State)
	var fault *services.Error
	require.ErrorAs(t, err, &fault)
	require.Equal(t, h.kind, fault.Kind, "%v", fault)
	require.Equal(t, h.after, fault.RetryAfter)
	require.NotEmpty(t, fault.Next)
	require.NotEmpty(t, fault.Service)
	require.NotEmpty(t, fault.Op)
	NoValue(t, cred, report, err)
}

// NoValue fails if a report or an error shows a value of the credential in any
// form of printing.
func NoValue(t *testing.T, cred services.Credential, shown ...any) {
	t.Helper()
	for _, one := range shown {
		text := fmt.Sprintf("%v %+v %#v %q", one, one, one, one)
		if encoded, err := json.Marshal(one); err == nil {
			text += string(encoded)
		}
		for name, value := range cred {
			tail := string(value.Reveal())
			if tail == "" {
				continue
			}
			tail = tail[max(0, len(tail)-8):]
			for i := 0; i+len(tail) <= len(text); i++ {
				if text[i:i+len(tail)] == tail {
					t.Fatalf("the value of %s is shown by %T", name, one)
				}
			}
		}
	}
}

// echo is what a careless page in between prints: all that it was sent.
func echo(w http.ResponseWriter, r *http.Request, media string, status int, frame string) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, frame, fmt.Sprint(r.Header), body, r.URL)
}

func answers(elsewhere string) []hostile {
	page := "<html>%q %q %q</html>"
	fixed := func(media string, status int, frame string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { echo(w, r, media, status, frame) }
	}
	said := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	with := func(name, value string, next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(name, value)
			next(w, r)
		}
	}
	plain, web := "application/json", "text/html"
	return []hostile{
		{name: "page 502", serve: fixed(web, 502, page), kind: services.Outage, calls: 4},
		{name: "page 200", serve: fixed(web, 200, page), kind: services.Outage, calls: 1},
		{name: "page 401", serve: fixed(web, 401, page), kind: services.Outage, calls: 1},
		{name: "page 403", serve: fixed(web, 403, page), kind: services.Outage, calls: 1},
		{name: "page 404", serve: fixed(web, 404, page), kind: services.Outage, calls: 1},
		{name: "JSON 500", serve: fixed(plain, 500, `{"header":%q,"body":%q,"url":%q}`), kind: services.Outage, calls: 4},
		{name: "wrong content type", serve: fixed("text/plain", 200, `{"header":%q,"body":%q,"url":%q}`), kind: services.Outage, calls: 1},
		{name: "cut JSON", serve: fixed(plain, 200, `{"header":%q,"body":%q,"url":%q`), kind: services.Outage, calls: 1},
		{name: "foreign JSON", serve: fixed(plain, 200, `{"header":%q,"body":%q,"url":%q}`), kind: services.Outage, calls: 1},
		{name: "foreign JSON 401", serve: fixed(plain, 401, `{"header":%q,"body":%q,"url":%q}`), kind: services.Outage, calls: 1},
		{name: "empty object", serve: said(200, "{}"), kind: services.Outage, calls: 1},
		{name: "null", serve: said(200, "null"), kind: services.Outage, calls: 1},
		{name: "list", serve: said(200, "[]"), kind: services.Outage, calls: 1},
		{name: "empty body", serve: said(200, ""), kind: services.Outage, calls: 1},
		{name: "firewall's challenge", serve: with("Cf-Mitigated", "challenge", fixed(web, 403, page)), kind: services.Outage, calls: 1},
		{name: "firewall's challenge 503", serve: with("Cf-Mitigated", "challenge", fixed(web, 503, page)), kind: services.Outage, calls: 1},
		{
			name: "storm of 429", serve: with("Retry-After", "7", fixed(plain, 429, `{"header":%q,"body":%q,"url":%q}`)),
			kind: services.Busy, calls: 4, wait: 7 * time.Second, after: 7 * time.Second,
		},
		{
			name: "429 for an hour", serve: with("Retry-After", "3600", fixed(web, 429, page)),
			kind: services.Busy, calls: 1, after: time.Hour,
		},
		{name: "redirect", serve: with("Location", elsewhere, fixed(web, 302, page)), kind: services.Outage, calls: 1},
		{name: "redirect that keeps the method", serve: with("Location", elsewhere, fixed(web, 307, page)), kind: services.Outage, calls: 1},
	}
}

// silences are answers that end too early or not at all.
func silences() []hostile {
	return []hostile{
		{name: "connection cut within the body", kind: services.Outage, calls: 4, serve: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"success":true,`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}},
		{name: "slow body", kind: services.Outage, calls: 1, serve: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"success":`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}},
	}
}
