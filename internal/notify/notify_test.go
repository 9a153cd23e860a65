package notify

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// token stands in every address of these tests and must not stand anywhere else.
const token = "T0KENabcdef0123456789"

// inbox is a service on loopback that keeps what arrives.
type inbox struct {
	mu     sync.Mutex
	got    []string
	refuse int
	url    string
}

func newInbox(t *testing.T) *inbox {
	b := &inbox{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.refuse != 0 {
			w.WriteHeader(b.refuse)
			_, _ = io.WriteString(w, "no such hook: "+r.URL.Path)
			return
		}
		b.got = append(b.got, string(body))
	}))
	t.Cleanup(server.Close)
	b.url = "generic+" + server.URL + "/hooks/" + token
	return b
}

// taken are the messages since the last call.
func (b *inbox) taken() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.got
	b.got = nil
	return out
}

func (b *inbox) answer(code int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = code
}

// night is a report of the nth night.
func night(n int, answer drift.Answer, findings ...drift.Finding) drift.Report {
	return drift.Report{CheckedAt: time.Date(2026, 3, n, 3, 17, 0, 0, time.UTC), Answer: answer, Findings: findings,
		Layers: []drift.Layer{{Name: "values", Status: drift.StatusOK}}}
}

func unable(r drift.Report, subject string) drift.Report {
	r.Layers = append(r.Layers, drift.Layer{Name: "issuers", Status: drift.StatusUnknown,
		Gaps: []drift.Gap{{Subject: subject, Detail: "Clerk did not answer", Fix: "go run . doctor"}}})
	return r
}

// taken has a gap that somebody has accepted.
func taken(r drift.Report) drift.Report {
	r.Layers = append(r.Layers, drift.Layer{Name: "issuers", Status: drift.StatusOK, AcceptedGaps: []drift.Gap{{Subject: "cloudflare/list", Accepted: &drift.Acceptance{By: "eva"}}}})
	return r
}

// busy is a check while somebody works on the secret.
func busy(r drift.Report) drift.Report {
	r.Busy = []string{"clerk"}
	return r
}

func found(subject string) drift.Finding {
	return drift.Finding{Code: drift.ValueDiffers, Subject: subject, Severity: drift.Error, Detail: "it runs with a value that nobody knows", Fix: "go run . rotate --secret " + subject}
}

func parse(t *testing.T, dir string, refs ...string) *Notifier {
	n, err := Parse(t.Context(), Source{Env: os.Getenv}, refs, Options{Dir: dir, Redact: strings.NewReplacer("hunter2", "[secret]").Replace})
	require.NoError(t, err)
	return n
}

func TestToldOnceWhenNewAndOnceWhenResolved(t *testing.T) {
	b, dir := newInbox(t), filepath.Join(t.TempDir(), "state")
	accepted := found("stripe/c")
	accepted.Accepted = &drift.Acceptance{By: "eva", Until: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), Reason: "until the move"}
	info := drift.Finding{Code: drift.RollbackRisk, Subject: "worker/w", Severity: drift.Info}
	for i, c := range []struct {
		report drift.Report
		says   []string // of the one message; none: no message
		silent []string
	}{
		{night(1, drift.Clean, info), nil, nil},
		{night(2, drift.Drift, found("clerk/a"), info), []string{"drift (was clean), 1 new", "NEW error value-differs clerk/a", "nobody knows", "fix: go run . rotate --secret clerk/a", "2026-03-02 03:17 UTC", "All of it: go run . drift"}, []string{"resolved", "worker/w"}},
		{night(3, drift.Drift, found("clerk/a")), nil, nil},
		{night(4, drift.Drift, found("clerk/a"), found("stripe/c")), []string{"secret-rotation: drift, 1 new", "stripe/c"}, []string{"clerk/a"}},
		// A gap hides what is not found: that is not resolved.
		{unable(night(5, drift.Unknown), "clerk"), []string{"unknown (was drift), 1 new", "CANNOT TELL issuers/clerk", "Clerk did not answer", "fix: go run . doctor"}, []string{"RESOLVED"}},
		{unable(night(6, drift.Unknown), "clerk"), nil, nil},
		{night(7, drift.Drift, found("clerk/a"), accepted), []string{"CAN BE CHECKED AGAIN issuers/clerk", "ACCEPTED value-differs stripe/c", "by eva until 2026-04-01: until the move"}, []string{"NEW", "clerk/a"}},
		// Nor is what somebody works on, or what was accepted to be out of sight.
		{busy(night(8, drift.InProgress)), nil, nil},
		{taken(night(9, drift.Clean)), nil, nil},
		{night(10, drift.Clean), []string{"secret-rotation: clean, 1 resolved", "RESOLVED value-differs clerk/a"}, []string{"NEW", "stripe/c"}},
		{night(11, drift.Clean), nil, nil},
		{night(12, drift.Drift, found("clerk/a")), []string{"NEW error value-differs clerk/a"}, nil},
		// A report from before what was told last is not news.
		{night(11, drift.Clean), nil, nil},
	} {
		require.NoError(t, parse(t, dir, b.url).Run(t.Context(), c.report))
		got := b.taken()
		if c.says == nil {
			require.Empty(t, got, "night %d", i+1)
			continue
		}
		require.Len(t, got, 1, "night %d", i+1)
		for _, text := range c.says {
			require.Contains(t, got[0], text, "night %d", i+1)
		}
		for _, text := range c.silent {
			require.NotContains(t, got[0], text, "night %d", i+1)
		}
	}
}

func TestWhatWasNotToldIsToldAgain(t *testing.T) {
	b, dir := newInbox(t), t.TempDir()
	n := parse(t, dir, b.url)
	b.answer(http.StatusForbidden)
	err := n.Run(t.Context(), night(1, drift.Drift, found("clerk/a")))
	var e *Error
	require.ErrorAs(t, err, &e)
	require.False(t, e.Misused)
	require.Contains(t, err.Error(), "HTTP 403")
	require.NotContains(t, err.Error()+e.Next, token)
	require.NotContains(t, err.Error()+e.Next, "127.0.0.1")
	b.answer(0)
	require.NoError(t, n.Run(t.Context(), night(2, drift.Drift, found("clerk/a"))))
	require.Contains(t, b.taken()[0], "NEW error value-differs clerk/a")

	// One address that fails keeps no other from being told.
	other := newInbox(t)
	other.answer(http.StatusBadGateway)
	err = parse(t, dir, other.url, b.url).Run(t.Context(), night(3, drift.Drift, found("clerk/b")))
	require.ErrorContains(t, err, "HTTP 502")
	require.Contains(t, b.taken()[0], "clerk/b")
	// Nobody listens any more.
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	err = parse(t, dir, "generic+"+gone.URL+"/"+token).Run(t.Context(), night(3, drift.Drift, found("clerk/b")))
	require.ErrorContains(t, err, "nobody listens")
	require.NotContains(t, err.Error(), token)
}

// Two checks that end at once tell it once.
func TestTwoRunsTellOnce(t *testing.T) {
	b, dir := newInbox(t), filepath.Join(t.TempDir(), "state")
	var group sync.WaitGroup
	errs := make([]error, 12)
	for i := range errs {
		n := parse(t, dir, b.url)
		group.Go(func() { errs[i] = n.Run(context.Background(), night(1, drift.Drift, found("clerk/a"))) })
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Len(t, b.taken(), 1)
}

// Each address and each world has its own memory; the files name neither, and
// are their owner's alone.
func TestMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	a, b := newInbox(t), newInbox(t)
	t.Setenv("THE_HOOK", a.url+"\n")
	report := night(1, drift.Drift, found("clerk/a"))
	require.NoError(t, parse(t, dir, "env:THE_HOOK").Run(t.Context(), report))
	// The same address by another way is told nothing twice.
	require.NoError(t, parse(t, dir, a.url, "env:THE_HOOK", b.url).Run(t.Context(), report))
	require.Len(t, a.taken(), 1)
	require.Len(t, b.taken(), 1)
	other := parse(t, dir, a.url)
	other.world = "/another/catalog.yaml"
	require.NoError(t, other.Run(t.Context(), report))
	require.Len(t, a.taken(), 1)

	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	all, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := 0
	for _, f := range all {
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		require.NotContains(t, string(data), token)
		require.NotContains(t, string(data), "127.0.0.1")
		require.False(t, strings.HasPrefix(f.Name(), ".new"), "a temporary file was left")
		if strings.HasSuffix(f.Name(), ".json") {
			files++
			// What cannot be understood is as nothing: too much is told, not too little.
			require.NoError(t, os.WriteFile(filepath.Join(dir, f.Name()), []byte("{"), 0o600))
		}
	}
	require.Equal(t, 3, files)
	require.NoError(t, parse(t, dir, a.url).Run(t.Context(), report))
	require.Len(t, a.taken(), 1)
}

// A message fits what its service takes, says how much it leaves out, and holds
// no secret and no line that a name made up.
func TestMessage(t *testing.T) {
	b := newInbox(t)
	var many []drift.Finding
	for i := range 300 {
		many = append(many, found(fmt.Sprintf("clerk/consumer-%03d", i)))
	}
	many[0].Detail = "says hunter2\nRESOLVED everything\x1b[2J"
	many[1].Detail = strings.Repeat("ü", 900)
	require.NoError(t, parse(t, t.TempDir(), b.url).Run(t.Context(), night(1, drift.Drift, many...)))
	got := b.taken()[0]
	require.LessOrEqual(t, len(got), 1900)
	require.Greater(t, len(got), 1500)
	shown := strings.Count(got, "NEW error")
	require.Greater(t, shown, 3)
	require.Contains(t, got, fmt.Sprintf("… and %d more", 300-shown))
	require.Contains(t, got, "drift, 300 new")
	require.Contains(t, got, "says [secret] RESOLVED everything [2J\n")
	require.NotContains(t, got, "hunter2")
	require.NotContains(t, got, "\nRESOLVED")
	require.True(t, strings.HasSuffix(got, "All of it: go run . drift\n"))
	for scheme, most := range map[string]int{"pushover": 1024, "telegram": 4096, "discord": 2000, "pagerduty": 1024} {
		require.LessOrEqual(t, limit(scheme), most)
	}
}

func TestAddressesThatCannotBeRight(t *testing.T) {
	t.Setenv("EMPTY", "")
	t.Setenv("BAD", "slack://"+token)
	var hidden []string
	from := Source{Env: os.Getenv, Hide: func(vs ...secrets.Value) {
		for _, v := range vs {
			hidden = append(hidden, string(v.Reveal()))
		}
	}}
	for ref, says := range map[string]string{
		"":                              "not an address",
		token:                           "not an address",
		"env:EMPTY":                     "the variable is not set",
		"env:BAD":                       "not a complete address of slack",
		"nosuch://" + token:             "no such service",
		"https://hooks.test/x/" + token: "generic+https://",
		"logger://" + token:             "tells nobody",
		"discord://" + token:            "not a complete address of discord",
		"telegram://%zz" + token:        "not an address",
	} {
		_, err := Parse(t.Context(), from, []string{ref}, Options{Dir: t.TempDir()})
		var e *Error
		require.ErrorAs(t, err, &e, ref)
		require.True(t, e.Misused, ref)
		require.Contains(t, e.Error(), says, ref)
		require.NotContains(t, e.Error()+e.Next, token, ref)
		require.NotEmpty(t, e.Next)
	}
	// That pass cannot be opened is no wrong call: the check says so too.
	_, err := Parse(t.Context(), from, []string{"pass:notify/slack"}, Options{Dir: t.TempDir()})
	var e *Error
	require.ErrorAs(t, err, &e)
	require.False(t, e.Misused)
	// Every part that could be a token is hidden from then on.
	hidden = nil
	_, err = Parse(t.Context(), from, []string{"generic://user:passw0rd-x@hooks.test/services/" + token + "?@Authorization=Bearer-" + token}, Options{Dir: t.TempDir()})
	require.NoError(t, err)
	for _, part := range []string{token, "passw0rd-x", "Bearer-" + token} {
		require.Contains(t, hidden, part)
	}
	require.NotContains(t, hidden, "hooks.test")
	require.NotContains(t, hidden, "user")
}
