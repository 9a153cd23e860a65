package scaleway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/scaleway/scaleway-sdk-go/scw"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Place says which container is meant.
type Place struct {
	// Region is empty for the client's own.
	Region string
	// Namespace is an id; empty where the name alone tells.
	Namespace string
	Name      string
}

// Hashed is what a container says about the values that it runs with.
type Hashed struct {
	// Unfit says why the hashes prove nothing now; empty for a container that
	// serves what it was last given.
	Unfit string
	// Hashes are argon2id hashes of the container's own secret variables. Those
	// that it has of its namespace are not among them.
	Hashes map[string]string
}

// Hashes asks for the hashes of one container, at API v1 and, where that is not
// served, at v1beta1. The error is NotFound if there is no such container and
// Rejected if the place names several.
func (c *Client) Hashes(ctx context.Context, cred services.Credential, p Place) (Hashed, error) {
	op := "asking for the hashes of container " + p.Name
	values, err := services.Need(Name, cred, AccessEntry, SecretEntry)
	if err != nil {
		return Hashed{}, services.Fault(Name, op, err)
	}
	if p.Region == "" {
		p.Region = c.config.Region
	}
	region, err := scw.ParseRegion(p.Region)
	if err != nil {
		return Hashed{}, &services.Error{Service: Name, Op: op, Kind: services.Rejected, Message: "the region is not one of Scaleway's", Next: "check the region in the catalog"}
	}
	p.Region = region.String()
	client, err := c.sdk(values[0], values[1])
	if err != nil {
		return Hashed{}, services.Fault(Name, op, err)
	}
	list, err := listHashed(ctx, client, "v1", p)
	if err != nil && services.Fault(Name, op, err).Kind == services.NotFound {
		list, err = listHashed(ctx, client, "v1beta1", p)
	}
	if err != nil {
		return Hashed{}, services.Fault(Name, op, err)
	}
	return pick(list, p, op)
}

func listHashed(ctx context.Context, client *scw.Client, version string, p Place) (hashedList, error) {
	query := url.Values{"name": {p.Name}}
	if p.Namespace != "" {
		query.Set("namespace_id", p.Namespace)
	}
	var list hashedList
	err := client.Do(&scw.ScalewayRequest{Method: http.MethodGet, Path: "/containers/" + version + "/regions/" + p.Region + "/containers", Query: query},
		&list, scw.WithContext(ctx), scw.WithAllPages())
	return list, err
}

// pick finds the one container of that place: the service's filter is not
// relied on.
func pick(list hashedList, p Place, op string) (Hashed, error) {
	var found []hashedContainer
	for _, one := range list.Containers {
		if one.Name == p.Name && (p.Namespace == "" || one.Namespace == p.Namespace) {
			found = append(found, one)
		}
	}
	switch len(found) {
	case 1:
		return found[0].hashed(), nil
	case 0:
		return Hashed{}, &services.Error{Service: Name, Op: op, Kind: services.NotFound,
			Message: "there is no container of that name in " + p.Region, Next: "check probe.container in the catalog"}
	}
	return Hashed{}, &services.Error{Service: Name, Op: op, Kind: services.Rejected,
		Message: fmt.Sprintf("%d containers have that name", len(found)), Next: "name the one's namespace in the catalog (probe.namespace)"}
}

// hashedContainer is the part that v1 and v1beta1 have in common; the SDK has a
// type for each.
type hashedContainer struct {
	Name      string      `json:"name"`
	Namespace string      `json:"namespace_id"`
	Status    string      `json:"status"`
	Error     *string     `json:"error_message"`
	Secrets   hashesByKey `json:"secret_environment_variables"`
}

// hashed judges the status. Error text is the service's and is not repeated.
func (h hashedContainer) hashed() Hashed {
	out := Hashed{Hashes: h.Secrets}
	switch {
	case h.Status != "ready":
		out.Unfit = fmt.Sprintf("it is not ready (status %.20q), so what runs may be older than what it was given", h.Status)
	case h.Error != nil && *h.Error != "":
		out.Unfit = "its last deployment failed, so what runs may be older than what it was given"
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

// hashedList is a page of containers, in the form that the SDK's paging wants.
type hashedList struct {
	Containers []hashedContainer `json:"containers"`
	TotalCount uint64            `json:"total_count"`
}

// UnsafeGetTotalCount is called by the SDK.
func (l *hashedList) UnsafeGetTotalCount() uint64 { return l.TotalCount }

// UnsafeAppend is called by the SDK.
func (l *hashedList) UnsafeAppend(page any) (uint64, error) {
	next, ok := page.(*hashedList)
	if !ok {
		return 0, errors.New("appending a page of another type")
	}
	l.Containers = append(l.Containers, next.Containers...)
	l.TotalCount += uint64(len(next.Containers))
	return uint64(len(next.Containers)), nil
}
