package services

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
)

// Limits bound what one request may take. The zero value is right outside of
// tests.
type Limits struct {
	// Timeout of one try, from dialling to the last byte; 15 s if zero.
	Timeout time.Duration
	// Retries after the first try; 3 if zero, none if negative.
	Retries int
	// MaxWait is the longest Retry-After that is waited for; 60 s if zero. A
	// service that asks for more gets an error with RetryAfter instead.
	MaxWait time.Duration
	// Wait waits that long or until ctx ends; nil: really waits.
	Wait func(ctx context.Context, d time.Duration) error
}

func (l Limits) filled() Limits {
	if l.Timeout == 0 {
		l.Timeout = 15 * time.Second
	}
	if l.Retries == 0 {
		l.Retries = 3
	}
	if l.MaxWait == 0 {
		l.MaxWait = time.Minute
	}
	if l.Wait == nil {
		l.Wait = wait
	}
	return l
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Judge reads a service's own JSON answer; it returns nil for one that is
// fine or that it does not know, and else an Error with Kind, Code, Message
// and Next. It must not copy the service's text.
type Judge func(status int, body []byte) *Error

// Service is how a service is talked to.
type Service struct {
	Name  string
	Judge Judge
	// AnyMedia: JSON is taken under any Content-Type, because the service does
	// not document its own; Judge then has to know its answers.
	AnyMedia bool
	// Loose: answers need not be JSON, and a 401 is part of the conversation
	// and handed on (a container registry).
	Loose bool
	// Repeat: also a POST may be sent again after an outage, because it
	// changes nothing.
	Repeat bool
}

// HTTP returns a client for an SDK, over the transport of base (nil: the
// default one). Every answer that is not a success comes back as an *Error
// in the chain of the client's error; so do redirects, which are never
// followed. Requests are repeated here, so the SDK's own repeats belong off.
func (s Service) HTTP(base *http.Client, limits Limits) *http.Client {
	next := http.DefaultTransport
	if base != nil && base.Transport != nil {
		next = base.Transport
	}
	return &http.Client{
		Transport:     &transport{service: s, next: next, limits: limits.filled()},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type transport struct {
	service Service
	next    http.RoundTripper
	limits  Limits
}

// RoundTrip implements http.RoundTripper. Unlike its contract it turns refusals
// into errors: the SDKs would hand on the service's text.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := readRequest(req)
	if err != nil {
		return nil, &Error{Service: t.service.Name, Kind: Rejected, Message: "the request could not be built"}
	}
	for try := 0; ; try++ {
		res, fault := t.once(req, body)
		if fault == nil {
			return res, nil
		}
		fault.Service = t.service.Name
		pause, again := t.pause(req, fault, try)
		if !again {
			return nil, fault
		}
		if err := t.limits.Wait(req.Context(), pause); err != nil {
			return nil, Fault(t.service.Name, "", err)
		}
	}
}

// pause says how long to wait before the next try, if there is to be one.
func (t *transport) pause(req *http.Request, fault *Error, try int) (time.Duration, bool) {
	repeatable := req.Method != http.MethodPost || t.service.Repeat || fault.Kind == Busy
	if !fault.again || !repeatable || try >= t.limits.Retries {
		return 0, false
	}
	if fault.RetryAfter > t.limits.MaxWait {
		return 0, false
	}
	return max(fault.RetryAfter, time.Second<<try), true
}

// once sends the request one time and reads the whole answer within the limit.
func (t *transport) once(req *http.Request, body []byte) (*http.Response, *Error) {
	ctx, cancel := context.WithTimeout(req.Context(), t.limits.Timeout)
	defer cancel()
	out := req.Clone(ctx)
	if req.Body != nil {
		out.Body = io.NopCloser(bytes.NewReader(body))
		out.ContentLength = int64(len(body))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	res, err := t.next.RoundTrip(out)
	if err != nil {
		return nil, unreachable(req.Context(), t.limits.Timeout, err)
	}
	answer, err := readAnswer(res)
	if err != nil {
		fault := unreachable(req.Context(), t.limits.Timeout, err)
		fault.Status = res.StatusCode
		return nil, fault
	}
	if fault := t.service.read(res, answer); fault != nil {
		fault.Status = res.StatusCode
		return nil, fault
	}
	res.Body = io.NopCloser(bytes.NewReader(answer))
	res.ContentLength = int64(len(answer))
	res.Request = req
	return res, nil
}

func readRequest(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	defer func() { _ = req.Body.Close() }()
	return io.ReadAll(req.Body)
}
