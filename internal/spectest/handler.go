package spectest

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
)

// Handler checks every request that h is asked, and every answer that it
// gives, against one description. prefix is what comes before the
// description's own paths ("/client/v4"); other paths go to h unchecked. A
// path below the prefix that the description does not have fails the test; the
// answer is still h's.
func Handler(t T, specFile, prefix string, h http.Handler) http.Handler {
	t.Helper()
	return Handlers(t, prefix, h, specFile)
}

// Handlers is Handler for a service that several descriptions share; the first
// that has the path is taken.
func Handlers(t T, prefix string, h http.Handler, specFiles ...string) http.Handler {
	t.Helper()
	dir, ok := Find()
	if !ok {
		return h
	}
	specs, err := load(dir, specFiles)
	if err != nil {
		t.Errorf("%v", err)
		return h
	}
	prefix = strings.TrimSuffix(prefix, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := strings.CutPrefix(r.URL.Path, prefix)
		if !ok || !strings.HasPrefix(path, "/") {
			h.ServeHTTP(w, r)
			return
		}
		serveChecked(t, specs, path, h, w, r)
	})
}

func serveChecked(t T, specs []*spec, path string, h http.Handler, w http.ResponseWriter, r *http.Request) {
	body, err := keepBody(r.Body)
	if err != nil {
		t.Errorf("%s %s: reading the request: %v", r.Method, path, err)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	x := find(specs, r.Method, r.URL, path, r.Header, body)
	if x == nil {
		t.Errorf("%s %s: no description has this request", r.Method, path)
		h.ServeHTTP(w, r)
		return
	}
	x.checkRequest(t)
	tee := &tee{ResponseWriter: w, status: http.StatusOK}
	// A handler that hijacks the connection or panics with
	// http.ErrAbortHandler gives no answer that could be checked.
	h.ServeHTTP(tee, r)
	if !tee.hijacked {
		x.checkAnswer(t, tee.status, w.Header(), tee.body.Bytes())
	}
}

// tee passes the answer on and keeps a copy.
type tee struct {
	http.ResponseWriter
	status   int
	wrote    bool
	hijacked bool
	body     bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (w *tee) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, status >= 200
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *tee) Write(p []byte) (int, error) {
	w.wrote = true
	w.body.Write(p)
	return w.ResponseWriter.Write(p)
}

// Flush implements http.Flusher.
func (w *tee) Flush() {
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker.
func (w *tee) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.hijacked = true
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap is for http.ResponseController.
func (w *tee) Unwrap() http.ResponseWriter { return w.ResponseWriter }
