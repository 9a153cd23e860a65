package scwprovider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// settings are what a project configured the provider with.
type settings struct {
	secretKey, projectID, region string
}

// errNotFound is the service's 404.
var errNotFound = errors.New("not found")

// patience bounds the wait for a status to settle.
const patience = 2 * time.Minute

// client talks to the service on behalf of one provider resource.
type client struct {
	config   Config
	settings settings
}

// call sends one request. Errors carry the service's type and message, which
// name no secret; the body that was sent is in none of them.
func (c client) call(ctx context.Context, method, path string, body map[string]any) (map[string]any, error) {
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding request: %w", err)
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.config.API+"/"+path, reader)
	if err != nil {
		return nil, fmt.Errorf("making request: %w", err)
	}
	if c.settings.secretKey != "" {
		req.Header.Set("X-Auth-Token", c.settings.secretKey)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", "pulumi-resource-scaleway/"+Version+" (sandbox)")
	resp, err := c.config.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("calling scaleway: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	return answer(resp)
}

func answer(resp *http.Response) (map[string]any, error) {
	var got map[string]any
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("reading scaleway's answer: %w", err)
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &got); err != nil {
			return nil, fmt.Errorf("scaleway answered %d without JSON", resp.StatusCode)
		}
	}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("scaleway-sdk-go: resource %v with ID %v: %w", got["resource"], got["resource_id"], errNotFound)
	case got["type"] == "transient_state":
		return nil, fmt.Errorf("scaleway-sdk-go: resource %v with ID %v is in a transient state: %v", got["resource"], got["resource_id"], got["current_state"])
	case resp.StatusCode >= http.StatusMultipleChoices:
		return nil, fmt.Errorf("scaleway-sdk-go: http error %s: %v: %v", resp.Status, got["type"], got["message"])
	}
	return got, nil
}

// settle polls until the status is not one of being in motion any more.
func (c client) settle(ctx context.Context, path string, got map[string]any) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(c.config.Poll)
	defer tick.Stop()
	for transient(got["status"]) {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for status of %s, now %v: %w", path, got["status"], ctx.Err())
		case <-tick.C:
		}
		var err error
		if got, err = c.call(ctx, http.MethodGet, path, nil); err != nil {
			return nil, err
		}
	}
	return got, nil
}

func transient(status any) bool {
	switch status {
	case "creating", "updating", "upgrading", "deleting", "locking", "pending":
		return true
	default:
		return false
	}
}
