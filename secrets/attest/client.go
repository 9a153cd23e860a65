package attest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ErrRefused is the consumer's 404: it runs with other values, or it does not
// speak the protocol, or its clock is more than MaxAge off. Only a match under
// another K tells these apart.
var ErrRefused = errors.New("consumer does not answer for these values")

// ErrForged is an answer with a wrong name, nonce or MAC: whoever sent it does
// not know the credential.
var ErrForged = errors.New("answer is not signed with these values")

// maxBody bounds what is read of an answer.
const maxBody = 4096

// Pending is a request that was sent and waits for its answer.
type Pending struct {
	key         K
	name, nonce string
}

// NewRequest makes the question "do you run with the values behind k as NAME?"
// for the consumer at address. Send it with a client that does not follow
// redirects and ask anew for a repetition: a nonce works once.
func NewRequest(ctx context.Context, address, name string, k K, now time.Time) (*http.Request, Pending, error) {
	if !validName(name) {
		return nil, Pending{}, fmt.Errorf("attest request: name %q: want lower-case letters, digits and hyphens", name)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, Pending{}, fmt.Errorf("attest request for %s: %w", name, err)
	}
	var random [nonceLength / 2]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, Pending{}, fmt.Errorf("attest request for %s: drawing nonce: %w", name, err)
	}
	nonce, unix := hex.EncodeToString(random[:]), strconv.FormatInt(now.Unix(), 10)
	query := u.Query()
	query.Set("name", name)
	query.Set("nonce", nonce)
	query.Set("time", unix)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, Pending{}, fmt.Errorf("attest request for %s: %w", name, err)
	}
	req.Header.Set(Header, k.request(name, nonce, unix))
	req.Header.Set("Cache-Control", "no-store")
	return req, Pending{key: k, name: name, nonce: nonce}, nil
}

// Verify reads the answer and closes its body. Nil means that the consumer
// runs with these values; ErrRefused and ErrForged are told apart from an
// answer that says nothing (a gateway's 502, a login page).
func (p Pending) Verify(resp *http.Response) error {
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	switch {
	case err != nil:
		return fmt.Errorf("attest answer for %s: reading body: %w", p.name, err)
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("attest answer for %s: %w", p.name, ErrRefused)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("attest answer for %s: HTTP status %d", p.name, resp.StatusCode)
	}
	var got answer
	if err := json.Unmarshal(body, &got); err != nil {
		return fmt.Errorf("attest answer for %s: not the protocol's JSON", p.name)
	}
	if got.Name != p.name || got.Nonce != p.nonce || !sameMAC(got.MAC, p.key.response(p.name, p.nonce)) {
		return fmt.Errorf("attest answer for %s: %w", p.name, ErrForged)
	}
	return nil
}
