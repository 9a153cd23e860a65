package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Heart is a heartbeat's address: whoever watches it (healthchecks.io and the
// like) alarms when no ping comes.
type Heart struct {
	where string
	url   secrets.Value
	// client and pause are the test's; nil: the default client, and waiting.
	client *http.Client
	pause  func(ctx context.Context, d time.Duration) error
}

// The bounds of a ping.
const (
	beatTries   = 3
	beatTimeout = 10 * time.Second
)

// ParseHeartbeat reads the value of --heartbeat: an https or http address,
// env:NAME or pass:PATH. An empty ref is no heartbeat: a nil *Heart, whose Beat
// does nothing.
func ParseHeartbeat(ctx context.Context, from Source, ref string) (*Heart, error) {
	const flag = "--heartbeat"
	if ref == "" {
		return nil, nil
	}
	v, err := from.resolve(ctx, flag, ref)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(string(v.Reveal()))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, &Error{Where: flag + " " + referred(ref), Detail: "it is not an https:// address", Misused: true,
			Next: "take the ping address of a check, such as https://hc-ping.com/UUID"}
	}
	return &Heart{where: flag + " " + referred(ref), url: v}, nil
}

// Beat pings, if and only if everything was checked and is clean. A rotation
// under way is not clean: the watcher's patience has to be longer than the
// longest grace period.
func (h *Heart) Beat(ctx context.Context, r drift.Report) error {
	if h == nil || !well(r) {
		return nil
	}
	client := http.Client{}
	if h.client != nil {
		client = *h.client
	}
	client.CheckRedirect = sameHost
	pause := h.pause
	if pause == nil {
		pause = wait
	}
	var why string
	for try := range beatTries {
		if try > 0 {
			if err := pause(ctx, time.Second<<try); err != nil {
				break
			}
		}
		if why = h.once(ctx, &client); why == "" {
			return nil
		}
	}
	return &Error{Where: h.where, Detail: "the heartbeat was not taken: " + why, Next: "curl -sS the ping address by hand, then the same command again"}
}

// well: the answer alone is not believed, every layer has to have been checked.
func well(r drift.Report) bool {
	if r.Answer != drift.Clean || len(r.Layers) == 0 {
		return false
	}
	for _, l := range r.Layers {
		// Drift without a finding that counts is what somebody accepted.
		if l.Status != drift.StatusOK && l.Status != drift.StatusDrift || len(l.Gaps)+len(l.AcceptedGaps) > 0 {
			return false
		}
	}
	for _, f := range r.Findings {
		if f.Counts() {
			return false
		}
	}
	return true
}

// once is one try; it says what went wrong, or nothing.
func (h *Heart) once(ctx context.Context, client *http.Client) string {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, string(h.url.Reveal()), http.NoBody)
	if err != nil {
		return "the address cannot be asked"
	}
	req.Header.Set("User-Agent", "secret-rotation")
	res, err := client.Do(req)
	if err != nil {
		if errors.Is(err, errElsewhere) {
			return "it leads to another host"
		}
		return reason(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Sprintf("HTTP %d", res.StatusCode)
	}
	return ""
}

var errElsewhere = errors.New("another host")

// sameHost follows a redirect on one host only: the address is the password,
// and the next host would be told it as the referrer.
func sameHost(req *http.Request, via []*http.Request) error {
	from, to := via[0].URL, req.URL
	if len(via) > 3 || from.Hostname() != to.Hostname() || port(from) != port(to) && from.Scheme == to.Scheme || from.Scheme == "https" && to.Scheme != "https" {
		return errElsewhere
	}
	return nil
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
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
