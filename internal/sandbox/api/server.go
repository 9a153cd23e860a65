package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// maxBody is more than any request of these APIs needs.
const maxBody = 4 << 20

// Options of an API.
type Options struct {
	// Log gets one JSON line per request, in one Write. Empty: the lines are
	// appended to the world's requests.ndjson.
	Log io.Writer
}

// API serves one world. Its handlers may be used in any number, in any number
// of processes.
type API struct {
	world *world.World
	log   *requestLog
}

// New serves the world.
func New(w *world.World, o Options) *API {
	return &API{world: w, log: &requestLog{to: o.Log, path: w.RequestsPath()}}
}

// reply is an answer that is not sent yet: a fault may still replace it.
type reply struct {
	status int
	header map[string]string
	// body is encoded as JSON; nil sends none.
	body any
}

func ok(body any) reply { return reply{status: http.StatusOK, body: body} }

// endpoint answers one request.
type endpoint func(c *call) reply

// call is one request on its way.
type call struct {
	r     *http.Request
	world *world.World
	// state is the world at the time of the request; changes go through
	// world.Update.
	state *world.State
	now   time.Time
	// cred is what the request showed; standing is empty if it showed nothing.
	cred      world.Credential
	standing  world.Standing
	shown     string
	body      []byte
	unplanned bool
}

// decode reads the JSON body; an empty one leaves v as it is.
func (c *call) decode(v any) error {
	if len(c.body) == 0 {
		return nil
	}
	return json.Unmarshal(c.body, v)
}

// emulator is one service's API.
type emulator struct {
	api *API
	// service is the name in the log and in faults; issuer is the service
	// whose credentials are taken.
	service, issuer string
	mux             *http.ServeMux
	// identify returns the credential shown with the request.
	identify func(c *call) string
	// refuse is an error in the service's own shape. An empty code means the
	// service's usual one for the status.
	refuse func(status int, code, message string) reply
}

func (a *API) emulator(service string, identify func(*call) string, refuse func(int, string, string) reply) *emulator {
	return &emulator{api: a, service: service, issuer: service, mux: http.NewServeMux(), identify: identify, refuse: refuse}
}

// on adds an endpoint under a ServeMux pattern.
func (e *emulator) on(pattern string, h endpoint) {
	e.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { e.serve(w, r, h) })
}

// otherwise answers everything that no pattern has; such a request is logged
// as unplanned.
func (e *emulator) otherwise(h endpoint) {
	e.on("/", func(c *call) reply {
		c.unplanned = true
		return h(c)
	})
}

// otherMethod reports whether the path exists with another method.
func (e *emulator) otherMethod(r *http.Request) bool {
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		probe := r.Clone(r.Context())
		probe.Method = m
		if _, pattern := e.mux.Handler(probe); m != r.Method && pattern != "/" {
			return true
		}
	}
	return false
}

func (e *emulator) serve(w http.ResponseWriter, r *http.Request, h endpoint) {
	c, err := e.begin(w, r)
	if err != nil {
		e.send(w, e.refuse(http.StatusInternalServerError, "", "the sandbox cannot read its world"))
		return
	}
	rep, drop := e.answer(c, h)
	e.touch(c)
	status := rep.status
	if drop {
		status = 0
	}
	e.api.log.write(e.entry(c, status))
	if drop {
		// The server closes the connection (HTTP/2: the stream) without an answer.
		panic(http.ErrAbortHandler)
	}
	e.send(w, rep)
}

func (e *emulator) begin(w http.ResponseWriter, r *http.Request) (*call, error) {
	state, err := e.api.world.Snapshot()
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, err
	}
	c := &call{r: r, world: e.api.world, state: state, now: state.Now(), body: body}
	if c.shown = e.identify(c); c.shown == "" {
		return c, nil
	}
	c.standing = world.Unknown
	if cred, found := state.Find(e.issuer, c.shown); found {
		c.cred, c.standing = *cred, cred.Standing(c.now)
	}
	return c, nil
}

// answer asks the endpoint, unless a fault comes between.
func (e *emulator) answer(c *call, h endpoint) (rep reply, drop bool) {
	f := e.fault(c)
	if f == nil {
		return h(c), false
	}
	if f.Wait(c.r.Context()) != nil {
		return reply{}, true
	}
	if f.AfterCommit {
		rep = h(c)
	}
	switch {
	case f.Status != 0:
		rep = e.refuse(f.Status, f.Code, http.StatusText(f.Status))
	case f.Drop || f.AfterCommit:
		return reply{}, true
	default:
		rep = h(c)
	}
	if f.RetryAfter > 0 {
		rep = rep.with("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	return rep, false
}

// fault takes the fault that is meant for this request. The world is only
// locked for it where the snapshot has one that fits.
func (e *emulator) fault(c *call) *world.Fault {
	for _, f := range c.state.Faults {
		if !f.Fits(e.service, c.r.Method, c.r.URL.Path) {
			continue
		}
		taken, err := e.api.world.TakeFault(e.service, c.r.Method, c.r.URL.Path)
		if err != nil {
			return nil
		}
		return taken
	}
	return nil
}

// touch records that the credential was used, to the minute.
func (e *emulator) touch(c *call) {
	if c.standing != world.Alive || (c.cred.LastUsed != nil && c.now.Sub(*c.cred.LastUsed) < time.Minute) {
		return
	}
	// Nothing depends on it within a minute, so a failure is not worth an answer.
	_ = e.api.world.Update(func(s *world.State) error {
		if cred, found := s.Find(e.issuer, c.cred.Value); found {
			cred.LastUsed = &c.now
		}
		return nil
	})
}

func (e *emulator) send(w http.ResponseWriter, rep reply) {
	for k, v := range rep.header {
		w.Header().Set(k, v)
	}
	if rep.body == nil {
		w.WriteHeader(rep.status)
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(rep.status)
	_ = json.NewEncoder(w).Encode(rep.body)
}

func (r reply) with(key, value string) reply {
	h := map[string]string{key: value}
	for k, v := range r.header {
		h[k] = v
	}
	r.header = h
	return r
}

// bearer is the token of "Authorization: Bearer TOKEN".
func bearer(c *call) string {
	const scheme = "bearer "
	h := c.r.Header.Get("Authorization")
	if len(h) <= len(scheme) || !strings.EqualFold(h[:len(scheme)], scheme) {
		return ""
	}
	return h[len(scheme):]
}

// requestLog appends lines to a writer or a file.
type requestLog struct {
	mu   sync.Mutex
	to   io.Writer
	path string
}
