package stripe

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Endpoint is a webhook endpoint. Each has a signing secret of its own, which the
// API shows only when it makes one: an endpoint that is still there and enabled
// has a secret that still signs.
type Endpoint struct {
	ID, URL, Description string
	Created              time.Time
	Disabled             bool
}

const (
	endpointPage = 100
	// endpointPages bounds the list; Stripe lets an account have 16 endpoints.
	endpointPages = 20
)

// Endpoints lists the webhook endpoints of the key's account and mode, oldest
// first. The error's kind is Permission for a restricted key without
// rak_webhook_read.
func (c *Client) Endpoints(ctx context.Context, cred services.Credential) ([]Endpoint, error) {
	const op = "listing webhook endpoints"
	values, err := services.Need(Name, cred, KeyEntry)
	if err != nil {
		return nil, services.Fault(Name, op, err)
	}
	var out []Endpoint
	query := url.Values{"limit": {strconv.Itoa(endpointPage)}}
	for range endpointPages {
		var list struct {
			Object string `json:"object"`
			More   bool   `json:"has_more"`
			Data   *[]struct {
				ID          string  `json:"id"`
				URL         string  `json:"url"`
				Description *string `json:"description"`
				Created     int64   `json:"created"`
				Status      string  `json:"status"`
			} `json:"data"`
		}
		if err := c.get(ctx, values[0], "/v1/webhook_endpoints?"+query.Encode(), &list); err != nil {
			return nil, services.Fault(Name, op, err)
		}
		if list.Object != "list" || list.Data == nil || list.More && len(*list.Data) == 0 {
			return nil, services.Fault(Name, op, foreign())
		}
		last := ""
		for _, e := range *list.Data {
			one := Endpoint{ID: services.Printable(e.ID), URL: services.Printable(e.URL), Created: time.Unix(e.Created, 0).UTC(), Disabled: e.Status == "disabled"}
			if e.Description != nil {
				one.Description = services.Printable(*e.Description)
			}
			out, last = append(out, one), e.ID
		}
		if !list.More {
			slices.SortStableFunc(out, func(a, b Endpoint) int { return a.Created.Compare(b.Created) })
			return out, nil
		}
		query.Set("starting_after", last)
	}
	fault := services.Fault(Name, op, foreign())
	fault.Message = "the list of webhook endpoints does not end"
	return nil, fault
}
