package spectest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
)

// record keeps what the wrapper would have failed the test with.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) Helper() {}

func (r *record) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *record) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

const (
	bulkPath = "/accounts/023e105f4ecef8ad9ca31a8372d0c353/workers/scripts/badges/secrets-bulk"
	bulkDone = `{"result":{"A":{"name":"A","type":"secret_text"}},"success":true,"errors":[],"messages":[]}`
	marker   = "MARKER-8f1d"
)

type call struct {
	name         string
	method, path string
	media, body  string
	status       int
	answer       string
	answerType   string
	want         string // part of the violation; empty: none
}

func calls() []call {
	good := `{"secrets":{"A":{"name":"A","text":"x","type":"secret_text"}}}`
	merge, json := "application/merge-patch+json", "application/json"
	return []call{
		{"fits", "PATCH", bulkPath, merge, good, 200, bulkDone, json, ""},
		{"wrong media type", "PATCH", bulkPath, "text/plain", good, 200, bulkDone, json, "request"},
		{"text missing", "PATCH", bulkPath, merge, `{"secrets":{"A":{"name":"` + marker + `","type":"` + marker + `"}}}`, 200, bulkDone, json, "at [secrets A"},
		{"value echoed", "PATCH", bulkPath, merge, good, 200, strings.Replace(bulkDone, `"name":"A"`, `"name":"A","text":"`+marker+`"`, 1), json, "answer 200"},
		{"answer is no JSON", "PATCH", bulkPath, merge, good, 200, marker, json, "answer 200"},
		{"answer is HTML", "PATCH", bulkPath, merge, good, 200, "<html>", "text/html", "answer 200"},
		{"error envelope", "PATCH", bulkPath, merge, good, 404, `{"result":null,"success":false,"errors":[{"code":10007,"message":"no Worker"}],"messages":[]}`, json, ""},
		{"error without envelope", "PATCH", bulkPath, merge, good, 404, `{"oops":true}`, json, "answer 404"},
		{"outage has no form", "PATCH", bulkPath, merge, good, 502, "<html>", "text/html", ""},
		{"failure asked to be a success too", "GET", "/accounts/023e105f4ecef8ad9ca31a8372d0c353", "", "", 403, `{"result":null,"success":false,"errors":[{"code":10000,"message":"m"}],"messages":[]}`, json, ""},
		{"unknown path", "GET", "/nowhere", "", "", 404, "{}", json, "no description"},
		{"unknown method", "POST", bulkPath, json, good, 405, "{}", json, "no description"},
	}
}

func (c call) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", c.answerType)
	w.WriteHeader(c.status)
	_, _ = io.WriteString(w, c.answer)
}

func (c call) send(t *testing.T, client *http.Client, base string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, strings.NewReader(c.body))
	require.NoError(t, err)
	if c.media != "" {
		req.Header.Set("Content-Type", c.media)
	}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, c.status, res.StatusCode)
	require.Equal(t, c.answer, string(got), "the wrapper must hand the answer on unchanged")
}

func (c call) judge(t *testing.T, got string) {
	t.Helper()
	require.NotContains(t, got, marker, "a violation must not quote a value")
	if _, ok := spectest.Find(); !ok || c.want == "" {
		require.Empty(t, got)
		return
	}
	require.Contains(t, got, c.want)
}

func TestTransport(t *testing.T) {
	for _, c := range calls() {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(c.serve))
			defer server.Close()
			seen := &record{}
			client := &http.Client{Transport: spectest.Transport(seen, nil,
				spectest.Route{Base: server.URL + "/client/v4", Specs: []string{spectest.Cloudflare}})}
			c.send(t, client, server.URL+"/client/v4")
			c.judge(t, seen.text())
		})
	}
}

func TestHandler(t *testing.T) {
	for _, c := range calls() {
		t.Run(c.name, func(t *testing.T) {
			seen := &record{}
			server := httptest.NewServer(spectest.Handler(seen, spectest.Cloudflare, "/client/v4", http.HandlerFunc(c.serve)))
			defer server.Close()
			c.send(t, server.Client(), server.URL+"/client/v4")
			c.judge(t, seen.text())
		})
	}
}

func TestTransportCoversEveryRequest(t *testing.T) {
	c := call{method: "GET", path: "/anything", status: 200, answer: "{}", answerType: "application/json", want: "no route"}
	server := httptest.NewServer(http.HandlerFunc(c.serve))
	defer server.Close()
	seen := &record{}
	client := &http.Client{Transport: spectest.Transport(seen, nil, spectest.Route{Base: server.URL + "/other"})}
	c.send(t, client, server.URL)
	c.judge(t, seen.text())
}

// Clerk describes the form of its 401 at some operations only.
func TestErrorFormIsTakenFromSiblings(t *testing.T) {
	for answer, want := range map[string]string{
		`{"errors":[{"message":"m","long_message":"l","code":"clerk_key_invalid"}]}`: "",
		`{"error":"no"}`: "answer 401",
	} {
		c := call{method: "GET", path: "/instance", status: 401, answer: answer, answerType: "application/json", want: want}
		seen := &record{}
		server := httptest.NewServer(spectest.Handler(seen, spectest.Clerk, "/v1", http.HandlerFunc(c.serve)))
		c.send(t, server.Client(), server.URL+"/v1")
		server.Close()
		c.judge(t, seen.text())
	}
}

func TestAbsentFolderFailsWhenNamed(t *testing.T) {
	t.Setenv(spectest.DirVariable, t.TempDir())
	seen := &record{}
	spectest.Handler(seen, spectest.Cloudflare, "", http.NotFoundHandler())
	require.Contains(t, seen.text(), spectest.Cloudflare)
}

func TestEveryDescriptionLoads(t *testing.T) {
	dir, ok := spectest.Find()
	if !ok {
		require.NoDirExists(t, dir)
		return
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".openapi.json") {
			spectest.Handler(t, e.Name(), "", http.NotFoundHandler())
		}
	}
}
