package notify

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// maxAnswer bounds what is read of a service's answer, in bytes: it says whether a
// message was taken.
const maxAnswer = 1 << 20

var errRedirect = errors.New("redirected to another place")

// guard is how a message travels: to the place that was named and to no other, as
// the address is the password and the next place would be told it as the referrer;
// and of the answer no more is read than one has.
type guard struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Response != nil { // what a client makes of a redirect
		return nil, errRedirect
	}
	res, err := g.next.RoundTrip(r)
	if err == nil {
		res.Body = bounded{io.LimitReader(res.Body, maxAnswer), res.Body}
	}
	return res, err
}

type bounded struct {
	io.Reader
	io.Closer
}

// travel is how many messages are on their way, and the default transport that is
// put back when none is any more.
var travel struct {
	sync.Mutex
	messages int
	before   http.RoundTripper
}

// depart puts the default transport under guard until arrive is called as often.
func depart() http.RoundTripper {
	travel.Lock()
	defer travel.Unlock()
	if travel.messages == 0 {
		travel.before = http.DefaultTransport
		http.DefaultTransport = guard{travel.before}
	}
	travel.messages++
	return travel.before
}

func arrive() {
	travel.Lock()
	defer travel.Unlock()
	if travel.messages--; travel.messages == 0 {
		http.DefaultTransport = travel.before
	}
}

// deliver sends a text under guard. The services have clients of their own and take
// none: most of these send through the default transport, and some show what they
// have.
func deliver(address, text string) error {
	plain := depart()
	defer arrive()
	service, err := (&router.ServiceRouter{}).Locate(address)
	if err != nil {
		return err
	}
	if own, ok := service.(interface{ GetHTTPClient() *http.Client }); ok && own.GetHTTPClient() != nil {
		client := own.GetHTTPClient()
		client.Transport = guard{cmp.Or(client.Transport, plain)}
	}
	return service.Send(text, &types.Params{})
}
