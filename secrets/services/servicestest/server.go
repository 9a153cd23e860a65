// Package servicestest gives the tests of the clients a server that knows
// exactly what it will be asked, and the answers that no service should give.
package servicestest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Exchange is one request that is planned, and its answer.
type Exchange struct {
	Method, Path string
	// Query that the request must have; empty: any.
	Query string
	// Want are headers that the request must have.
	Want map[string]string
	// Body, if set, looks at the request's body.
	Body func(t *testing.T, body []byte)
	// Status is 200 if zero; Type is application/json if empty.
	Status int
	Type   string
	// Answer and Header may say {URL} for the server's own address.
	Answer string
	Header map[string]string
	// Times that the exchange happens; 1 if zero.
	Times int
}

// Server answers planned requests and fails the test on all others, and at its
// end on planned ones that never came.
type Server struct {
	URL  string
	t    *testing.T
	mu   sync.Mutex
	plan []Exchange
}

// New starts a server for the test. Exchanges of the same method and path
// happen in their order.
func New(t *testing.T, plan ...Exchange) *Server {
	t.Helper()
	s := &Server{t: t, plan: append([]Exchange(nil), plan...)}
	for i := range s.plan {
		if s.plan[i].Times == 0 {
			s.plan[i].Times = 1
		}
	}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = server.URL
	t.Cleanup(func() {
		server.Close()
		for _, e := range s.plan {
			assert.Zero(t, e.Times, "%s %s was planned but not asked", e.Method, e.Path)
		}
	})
	return s
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	assert.NoError(s.t, err)
	e, ok := s.take(r)
	if !ok {
		s.t.Errorf("unplanned request %s %s", r.Method, r.URL.Path)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	if e.Query != "" {
		assert.Equal(s.t, e.Query, r.URL.RawQuery)
	}
	for name, value := range e.Want {
		assert.True(s.t, r.Header.Get(name) == value, "%s %s: header %s is wrong", r.Method, r.URL.Path, name)
	}
	if e.Body != nil {
		e.Body(s.t, body)
	}
	if e.Type == "" {
		e.Type = "application/json"
	}
	w.Header().Set("Content-Type", e.Type)
	for name, value := range e.Header {
		w.Header().Set(name, strings.ReplaceAll(value, "{URL}", s.URL))
	}
	if e.Status != 0 {
		w.WriteHeader(e.Status)
	}
	_, _ = io.WriteString(w, strings.ReplaceAll(e.Answer, "{URL}", s.URL))
}

func (s *Server) take(r *http.Request) (Exchange, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.plan {
		e := &s.plan[i]
		if e.Times > 0 && e.Method == r.Method && e.Path == r.URL.Path {
			e.Times--
			return *e, true
		}
	}
	return Exchange{}, false
}

// Client is a client that holds every request to base (the server's URL and a
// prefix) and every answer against the descriptions.
func (s *Server) Client(prefix string, specs ...string) *http.Client {
	s.t.Helper()
	return &http.Client{Transport: spectest.Transport(s.t, nil, spectest.Route{Base: s.URL + prefix, Specs: specs})}
}

// Waits is a record of the waits that a client asked for.
type Waits struct {
	mu   sync.Mutex
	list []time.Duration
}

// Limits returns limits with a short timeout in which no wait takes time.
func (w *Waits) Limits(timeout time.Duration) services.Limits {
	return services.Limits{Timeout: timeout, Wait: func(ctx context.Context, d time.Duration) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.list = append(w.list, d)
		return ctx.Err()
	}}
}

// All returns the waits so far.
func (w *Waits) All() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]time.Duration(nil), w.list...)
}

// Quick are limits for tests that do not look at waits.
func Quick() services.Limits { return (&Waits{}).Limits(10 * time.Second) }
