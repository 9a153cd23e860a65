package scaleway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Hashed is what a container says about the values that it runs with.
type Hashed struct {
	// Unfit says why the hashes prove nothing now; empty for a container that
	// serves what it was last given.
	Unfit string
	// Hashes are argon2id hashes of the container's own secret variables. Those
	// that it has of its namespace are not among them.
	Hashes map[string]string
	// Shadowed says, by variable, why the hash of a namespace is not that of
	// what a container of it runs with.
	Shadowed map[string]string
}

// Hashes asks for the hashes of one container or namespace, at API v1 and, where
// that is not served, at v1beta1. The error is NotFound if there is no such
// thing and Rejected if the place names several.
func (c *Client) Hashes(ctx context.Context, cred services.Credential, p Place) (Hashed, error) {
	h, err := c.find(ctx, cred, "asking for the hashes of "+p.String(), p)
	if err != nil {
		return Hashed{}, err
	}
	out := h.found.hashed()
	if p.Name == "" && out.Unfit == "" {
		err = h.behind(ctx, &out)
	}
	return out, err
}

// hashedContainer is the part that containers and namespaces of v1 and v1beta1
// have in common; the SDK has a type for each.
type hashedContainer struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Namespace string      `json:"namespace_id"`
	Status    string      `json:"status"`
	Error     *string     `json:"error_message"`
	Secrets   hashesByKey `json:"secret_environment_variables"`
	Updated   time.Time   `json:"updated_at"`
}

// hashed judges the status, with the reason that the service gives.
func (h hashedContainer) hashed() Hashed {
	out := Hashed{Hashes: h.Secrets}
	reason := ""
	if h.Error != nil && *h.Error != "" {
		reason = ": " + services.Printable(*h.Error)
	}
	switch {
	case h.Status != "ready":
		out.Unfit = fmt.Sprintf("it is not ready (status %.20q), so what runs may be older than what it was given%s", h.Status, reason)
	case reason != "":
		out.Unfit = "its last deployment failed, so what runs may be older than what it was given" + reason
	}
	return out
}

// hashesByKey reads v1's {"KEY":HASH} and v1beta1's [{"key","hashed_value"}].
type hashesByKey map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (h *hashesByKey) UnmarshalJSON(raw []byte) error {
	var plain map[string]string
	if json.Unmarshal(raw, &plain) == nil {
		*h = plain
		return nil
	}
	var list []struct {
		Key  string `json:"key"`
		Hash string `json:"hashed_value"`
	}
	// The decoder's own errors quote what they read.
	if json.Unmarshal(raw, &list) != nil {
		return errors.New("secret_environment_variables has neither form")
	}
	out := hashesByKey{}
	for _, one := range list {
		if _, twice := out[one.Key]; twice {
			return errors.New("secret_environment_variables names a key twice")
		}
		out[one.Key] = one.Hash
	}
	*h = out
	return nil
}

// hashedList is a page of containers or namespaces, in the form that the SDK's
// paging wants.
type hashedList struct {
	Containers []hashedContainer `json:"containers"`
	Namespaces []hashedContainer `json:"namespaces"`
	TotalCount uint64            `json:"total_count"`
	// shown are the lists, if empty ones, that a page held; promised is how long
	// the last page said that the list is.
	shown    []string
	promised uint64
}

// UnsafeGetTotalCount is called by the SDK.
func (l *hashedList) UnsafeGetTotalCount() uint64 { return l.TotalCount }

// UnsafeAppend is called by the SDK.
func (l *hashedList) UnsafeAppend(page any) (uint64, error) {
	next, ok := page.(*hashedList)
	if !ok {
		return 0, errors.New("appending a page of another type")
	}
	if next.Containers != nil {
		l.shown = append(l.shown, "/containers")
	}
	if next.Namespaces != nil {
		l.shown = append(l.shown, "/namespaces")
	}
	l.promised = next.TotalCount
	l.Containers = append(l.Containers, next.Containers...)
	l.Namespaces = append(l.Namespaces, next.Namespaces...)
	l.TotalCount += uint64(len(next.Containers) + len(next.Namespaces))
	return uint64(len(next.Containers) + len(next.Namespaces)), nil
}
