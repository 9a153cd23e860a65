package spectest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// exchange is one request with its body kept, found in a description.
type exchange struct {
	name  string // METHOD PATH, for messages; never the query
	input *openapi3filter.RequestValidationInput
	body  []byte
}

// keepBody reads a body that is to be read twice.
func keepBody(body io.ReadCloser) ([]byte, error) {
	if body == nil || body == http.NoBody {
		return nil, nil
	}
	defer func() { _ = body.Close() }()
	return io.ReadAll(body)
}

// find looks a request up, its path freed of the prefix. nil: no description
// has it.
func find(specs []*spec, method string, target *url.URL, path string, header http.Header, body []byte) *exchange {
	for _, s := range specs {
		probe := &http.Request{
			Method: method, Header: header.Clone(), Host: target.Host,
			URL:           &url.URL{Path: path, RawQuery: target.RawQuery},
			Body:          io.NopCloser(bytes.NewReader(body)),
			ContentLength: int64(len(body)),
		}
		route, params, err := s.router.FindRoute(probe)
		if err != nil {
			continue
		}
		return &exchange{
			name: method + " " + path, body: body,
			input: &openapi3filter.RequestValidationInput{
				Request: probe, PathParams: params, Route: route,
				QueryParams: probe.URL.Query(), Options: options(),
			},
		}
	}
	return nil
}

// checkRequest reports what the description does not like in the request.
func (x *exchange) checkRequest(t T) {
	t.Helper()
	if err := openapi3filter.ValidateRequest(context.Background(), x.input); err != nil {
		t.Errorf("%s: request does not fit the description: %s", x.name, explain(err))
	}
}

// checkAnswer reports what the description does not like in the answer. A 5xx
// is an outage; no description promises its form.
func (x *exchange) checkAnswer(t T, status int, header http.Header, body []byte) {
	t.Helper()
	if status >= 500 && !describes(x.input.Route, status) {
		return
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: x.input, Status: status, Header: header,
		Body: io.NopCloser(bytes.NewReader(body)), Options: options(),
	}
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		t.Errorf("%s: answer %d does not fit the description: %s", x.name, status, explain(err))
	}
}

func describes(route *routers.Route, status int) bool {
	r := route.Operation.Responses
	return r != nil && (r.Status(status) != nil || r.Default() != nil)
}
