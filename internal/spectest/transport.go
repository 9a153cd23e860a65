package spectest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// Route says which descriptions hold for addresses that begin with Base.
type Route struct {
	// Base is what comes before the description's own paths, as
	// "http://127.0.0.1:8080/client/v4".
	Base string
	// Specs are file names; the first that has the path is taken. None: the
	// service has no description, and nothing is checked.
	Specs []string
	// AnyAnswer leaves the answers unchecked, for a test of hostile ones.
	AnyAnswer bool
}

// Transport checks every request that goes through next (nil: the default
// transport) and every answer that comes back. A request that no route covers,
// or that no description of its route has, fails the test. A body that was cut
// off is handed on as it came.
func Transport(t T, next http.RoundTripper, routes ...Route) http.RoundTripper {
	t.Helper()
	if next == nil {
		next = http.DefaultTransport
	}
	dir, ok := Find()
	if !ok {
		return next
	}
	checked := &transport{t: t, next: next}
	for _, r := range routes {
		specs, err := load(dir, r.Specs)
		if err != nil {
			t.Errorf("%v", err)
			return next
		}
		checked.routes = append(checked.routes, loadedRoute{Route: r, specs: specs})
	}
	return checked
}

type loadedRoute struct {
	Route
	specs []*spec
}

type transport struct {
	t      T
	next   http.RoundTripper
	routes []loadedRoute
}

// RoundTrip implements http.RoundTripper.
func (c *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := keepBody(req.Body)
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	if req.Body != nil {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	x, route := c.find(req, body)
	if x != nil {
		x.checkRequest(c.t)
	}
	res, err := c.next.RoundTrip(out)
	if err != nil || x == nil || route.AnyAnswer {
		return res, err
	}
	answer, err := keepBody(res.Body)
	res.Body = io.NopCloser(bytes.NewReader(answer))
	if err != nil {
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(answer), broken{err}))
		return res, nil
	}
	x.checkAnswer(c.t, res.StatusCode, res.Header, answer)
	return res, nil
}

// find returns the exchange, or nil where nothing is to be checked.
func (c *transport) find(req *http.Request, body []byte) (*exchange, loadedRoute) {
	c.t.Helper()
	bare := req.URL.Scheme + "://" + req.URL.Host + req.URL.Path
	for _, r := range c.routes {
		path, ok := strings.CutPrefix(bare, strings.TrimSuffix(r.Base, "/"))
		if !ok || !strings.HasPrefix(path, "/") {
			continue
		}
		if len(r.specs) == 0 {
			return nil, r
		}
		x := find(r.specs, req.Method, req.URL, path, req.Header, body)
		if x == nil {
			c.t.Errorf("%s %s: no description has this request", req.Method, path)
		}
		return x, r
	}
	c.t.Errorf("%s %s: no route of this test covers the request", req.Method, req.URL.Path)
	return nil, loadedRoute{}
}

// broken is a reader that fails as the original body did.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }
