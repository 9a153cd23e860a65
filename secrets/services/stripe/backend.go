package stripe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	sdk "github.com/stripe/stripe-go/v84"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// backend carries the SDK's calls. The SDK's own backend starts `uname -a`
// with this process's whole environment at its first request, to tell the
// vendor the host's name; it logs to stderr, and it sleeps between repeats
// without looking at the context.
type backend struct {
	base string
	http *http.Client
}

var _ sdk.Backend = backend{}

// errUnused: Check needs nothing but Call.
var errUnused = errors.New("stripe: this call is not used here")

// Call implements sdk.Backend for requests without a body.
func (b backend) Call(method, path, key string, params sdk.ParamsContainer, v sdk.LastResponseSetter) error {
	ctx := context.Background()
	if p := params.GetParams(); p != nil && p.Context != nil {
		ctx = p.Context
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(b.base, "/")+path, nil)
	if err != nil {
		return &services.Error{
			Service: Name, Kind: services.Rejected, Message: "the API's address is not a URL",
			Next: "check services.stripe.api in the catalog",
		}
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Stripe-Version", sdk.APIVersion)
	res, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return json.NewDecoder(res.Body).Decode(v)
}

// CallStreaming implements sdk.Backend.
func (backend) CallStreaming(string, string, string, sdk.ParamsContainer, sdk.StreamingLastResponseSetter) error {
	return errUnused
}

// CallRaw implements sdk.Backend.
func (backend) CallRaw(string, string, string, []byte, *sdk.Params, sdk.LastResponseSetter) error {
	return errUnused
}

// CallMultipart implements sdk.Backend.
func (backend) CallMultipart(string, string, string, string, *bytes.Buffer, *sdk.Params, sdk.LastResponseSetter) error {
	return errUnused
}

// SetMaxNetworkRetries implements sdk.Backend; repeats are the transport's.
func (backend) SetMaxNetworkRetries(int64) {}
