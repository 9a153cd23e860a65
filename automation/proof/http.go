package proof

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// answerTime is how long one answer of a consumer may take: a silent one must
// not stop the rest.
const answerTime = 30 * time.Second

// burst is how many requests at once make one answer: of several instances
// behind one address, a single request meets one.
const burst = 3

// do sends a request without following redirects: what is elsewhere is not the
// consumer, and a login page must not pass for it. Every request has a
// connection of its own, since a kept one leads to the same instance each time.
func (a *Asker) do(req *http.Request) (*http.Response, error) {
	req.Close = true
	client := *a.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if client.Timeout == 0 {
		client.Timeout = answerTime
	}
	return client.Do(req)
}

// http asks an address that uses the credential. The address that must fail is
// asked first: a door that opens for everybody proves nothing.
func (a *Asker) http(ctx context.Context, q Question) (Answer, string) {
	bad, err := a.status(ctx, q.Consumer.Probe.BadURL)
	switch {
	case errors.Is(err, errCached):
		return Unknown, "its negative control: " + err.Error()
	case err != nil:
		return Unreachable, err.Error()
	case bad < 300:
		return Unknown, fmt.Sprintf("its negative control succeeds too (HTTP %d), so it proves nothing", bad)
	case !refusal(bad):
		return Unknown, fmt.Sprintf("its negative control failed for another reason (HTTP %d), so it proves nothing", bad)
	}
	good := 0
	for range burst {
		if good, err = a.status(ctx, q.Consumer.Probe.URL); err != nil || good >= 300 {
			break
		}
	}
	switch {
	case errors.Is(err, errCached):
		return Unknown, err.Error()
	case err != nil:
		return Unreachable, err.Error()
	case good < 300:
		return Match, "it used its credential successfully"
	case good == http.StatusUnauthorized || good == http.StatusForbidden:
		return Differs, fmt.Sprintf("using the credential failed with HTTP %d", good)
	}
	return Unknown, fmt.Sprintf("it answered HTTP %d", good)
}

// refusal: only these say that a credential was looked at and not accepted. A
// redirect, a page that does not exist, too many requests or a server that broke
// would be the same with a good one.
func refusal(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden
}

// errCached: RFC 9111 section 5.1, an Age says that the answer was not made for
// this request.
var errCached = errors.New("the answer is a cache's, not the consumer's")

func (a *Asker) status(ctx context.Context, address string) (int, error) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, withoutURL(err)
	}
	// An address of its own for each request: a cache in front that ignores
	// no-store has no answer to it from the time of the old value.
	query := u.Query()
	query.Set("nonce", rand.Text())
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, withoutURL(err)
	}
	req.Header.Set("Cache-Control", "no-store")
	resp, err := a.do(req)
	if err != nil {
		return 0, withoutURL(err)
	}
	if err := resp.Body.Close(); err != nil {
		return 0, err
	}
	if resp.Header.Get("Age") != "" {
		return 0, errCached
	}
	return resp.StatusCode, nil
}

// withoutURL drops the address from a client's error: query strings have no
// business in an error text.
func withoutURL(err error) error {
	var wrapped interface {
		error
		Unwrap() error
		Timeout() bool
	}
	if errors.As(err, &wrapped) && wrapped.Unwrap() != nil {
		return wrapped.Unwrap()
	}
	return err
}
