//go:build slow

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
)

// farEnd are consumers of stripe that the test has in its hands.
type farEnd struct {
	w      *sandboxed
	old    pair
	server *httptest.Server
	mended atomic.Bool
	// calls count the requests to the two that take turns.
	calls, uses atomic.Int64
	// pidFiles has the file of each local process.
	pidFiles map[string]string

	mu       sync.Mutex
	recorded []byte
}

func newFarEnd(w *sandboxed) *farEnd {
	w.t.Helper()
	f := &farEnd{w: w, old: w.runsNow("stripe-backend"), pidFiles: map[string]string{
		"process-kept-its-environment": filepath.Join(w.root, "kept.pid"), "process-number-reused": filepath.Join(w.root, "reused.pid"),
	}}
	w.twin("twin", f.old)
	f.server = httptest.NewServer(f.routes())
	w.t.Cleanup(f.server.Close)
	for _, file := range f.pidFiles {
		f.start(file, f.old, time.Now())
	}
	go f.reuse()
	return f
}

// hostile is what each must be reported as: differs only where another value
// was proven; empty where that depends on who answered last.
func (f *farEnd) hostile() map[string]string {
	return map[string]string{
		"keeps-the-old": "differs", "alternates": "", "replays": "unknown", "says-ok": "unknown", "another-name": "unknown", "reflects": "unknown",
		"open-door": "unknown", "cached": "unknown", "login-page": "unknown", "works-in-turn": "",
		"twin": "differs",
	}
}

// hostileReaders is hostile for the processes that read pass: they are asked once
// the new value is promoted, for they could not have it before.
func (f *farEnd) hostileReaders() map[string]string {
	return map[string]string{"process-kept-its-environment": "differs", "process-number-reused": "unreachable"}
}

// rolledOut reports whether the container itself has the new values.
func (f *farEnd) rolledOut() bool {
	now, err := runsIn(f.w.dir, "stripe-backend")
	return err == nil && now != f.old
}

// attests are the ways to answer the attest protocol wrongly after the roll-out.
func (f *farEnd) attests() map[string]http.Handler {
	old, fresh := f.attestWith("stripe", func() pair { return f.old }), f.attestWith("stripe", f.current)
	return map[string]http.Handler{
		"keeps-the-old": old,
		"alternates": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if f.calls.Add(1)%2 == 0 {
				old.ServeHTTP(w, r)
				return
			}
			fresh.ServeHTTP(w, r)
		}),
		"replays": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			_, _ = w.Write(f.recorded)
		}),
		"says-ok": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"ok":true}`)) }),
		"another-name": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			now := f.current()
			own, _, err := attest.NewRequest(r.Context(), "http://own", "clerk", attest.Key(text(now.key), text(now.webhook)), time.Now())
			if err == nil {
				f.attestWith("clerk", f.current).ServeHTTP(w, own)
			}
		}),
		"reflects": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			_, _ = fmt.Fprintf(w, `{"name":%q,"nonce":%q,"mac":%q}`, q.Get("name"), q.Get("nonce"), r.Header.Get(attest.Header))
		}),
	}
}

// works are the ways to look as if the credential worked.
func (f *farEnd) works() map[string]http.Handler {
	fine := func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) }
	return map[string]http.Handler{
		"open-door": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fine(w) }),
		"cached": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Age", "3600")
			honestUse(w, r)
		}),
		"login-page": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/bad") {
				honestUse(w, r)
				return
			}
			http.Redirect(w, r, "/login", http.StatusFound)
		}),
		"works-in-turn": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/bad") && f.uses.Add(1)%3 == 0 {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			honestUse(w, r)
		}),
	}
}

func honestUse(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/bad") {
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// routes are honest before the roll-out and once mended.
func (f *farEnd) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(http.ResponseWriter, *http.Request) {})
	between := func(honest, hostile http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if f.mended.Load() || !f.rolledOut() {
				honest.ServeHTTP(w, r)
				return
			}
			hostile.ServeHTTP(w, r)
		})
	}
	for name, hostile := range f.attests() {
		mux.Handle("GET /"+name, between(f.record(f.attestWith("stripe", f.current)), hostile))
	}
	for name, hostile := range f.works() {
		mux.Handle("GET /"+name+"/", between(http.HandlerFunc(honestUse), hostile))
		mux.Handle("GET /"+name, between(http.HandlerFunc(honestUse), hostile))
	}
	return mux
}

func (f *farEnd) current() pair {
	now, err := runsIn(f.w.dir, "stripe-backend")
	if err != nil {
		return pair{}
	}
	return now
}

func text(s string) secrets.Value { return secrets.NewValue([]byte(s)) }

func (f *farEnd) attestWith(name string, runs func() pair) http.Handler {
	return attest.Handler(func(asked string) ([]secrets.Value, bool) {
		now := runs()
		return []secrets.Value{text(now.key), text(now.webhook)}, asked == name
	}, time.Now)
}

// record keeps the last right answer.
func (f *farEnd) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		if answer.Code == http.StatusOK {
			f.mu.Lock()
			f.recorded = answer.Body.Bytes()
			f.mu.Unlock()
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// start runs a process with these values and puts its number into a pid file of
// that age.
func (f *farEnd) start(file string, p pair, written time.Time) {
	cmd := exec.Command("cat")
	cmd.Env = p.environ()
	stdin, inErr := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	if inErr != nil || outErr != nil || cmd.Start() != nil {
		f.w.t.Error("no process could be started")
		return
	}
	f.w.t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	// Until it has been heard of, it may not have its environment yet.
	_, _ = stdin.Write([]byte("x"))
	_, _ = io.ReadFull(stdout, make([]byte, 1))
	temporary := file + ".new"
	if os.WriteFile(temporary, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600) != nil ||
		os.Chtimes(temporary, written, written) != nil || os.Rename(temporary, file) != nil {
		f.w.t.Error("no pid file could be written")
	}
}

// reuse has another process get a consumer's number after the roll-out: one of
// the same user that happens to have the new values.
func (f *farEnd) reuse() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f.rolledOut() {
		select {
		case <-f.w.t.Context().Done():
			return
		case <-tick.C:
		}
	}
	f.start(f.pidFiles["process-number-reused"], f.current(), time.Now().Add(-time.Hour))
}

// mend lets every consumer but the processes run with what the container runs
// with, and say so.
func (f *farEnd) mend() {
	f.w.t.Helper()
	f.mended.Store(true)
	now := f.current()
	require.NotEqual(f.w.t, f.old, now)
	f.w.twin("twin", now)
}

// restart has the processes run with what the container runs with.
func (f *farEnd) restart() {
	for _, file := range f.pidFiles {
		f.start(file, f.current(), time.Now())
	}
}
