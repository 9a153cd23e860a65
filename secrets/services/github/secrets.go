package github

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	sdk "github.com/google/go-github/v84/github"
	"golang.org/x/crypto/nacl/box"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

const selected = "selected"

// Set sets secrets, one request each: GitHub has none for several. What was
// before an error has been set. The same call may be repeated. A secret of an
// organization has to exist: who may use it is taken over and is not this
// program's to choose.
func (c *Client) Set(ctx context.Context, token secrets.Value, p Place, set map[string]secrets.Value) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	conn, err := c.connect(token, "writing secrets of "+p.String(), p)
	if err != nil {
		return err
	}
	key, err := conn.publicKey(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if err := conn.set(ctx, key, name, set[name]); err != nil {
			return err
		}
	}
	return nil
}

func (c *connection) set(ctx context.Context, key *sdk.PublicKey, name string, v secrets.Value) error {
	body := &sdk.EncryptedSecret{KeyID: key.GetKeyID()}
	if c.place.Organization != "" {
		was, err := c.visible(ctx, name)
		if err != nil {
			return err
		}
		body.Visibility = was.Visibility
		if body.Visibility == selected {
			if body.SelectedRepositoryIDs, err = c.repositories(ctx, name); err != nil {
				return err
			}
		}
	}
	raw, err := base64.StdEncoding.DecodeString(key.GetKey())
	if err != nil || len(raw) != 32 {
		return c.fault(services.Outage, "the public key is not one", "check services.github.api in the catalog")
	}
	sealed, err := box.SealAnonymous(nil, v.Reveal(), (*[32]byte)(raw), rand.Reader)
	if err != nil {
		return c.fault(services.Rejected, "the value of "+name+" could not be sealed", "the same command again")
	}
	body.EncryptedValue = base64.StdEncoding.EncodeToString(sealed)
	return c.call(ctx, http.MethodPut, "/"+url.PathEscape(name), body, nil)
}

// visible is an organization's secret, with who may use it.
func (c *connection) visible(ctx context.Context, name string) (*sdk.Secret, error) {
	was, err := c.secret(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case was == nil:
		return nil, c.fault(services.NotFound, "it has no secret "+name+", and who may use it is not chosen here",
			"make it at https://github.com/organizations/"+c.place.Organization+"/settings/secrets/actions, then the same command again")
	case !slices.Contains([]string{"all", "private", selected}, was.Visibility):
		return nil, c.fault(services.Outage, "the answer does not say who may use "+name, "check services.github.api in the catalog")
	}
	return was, nil
}

// repositories are those that may use an organization's secret: a request
// without them could take it from them.
func (c *connection) repositories(ctx context.Context, name string) (sdk.SelectedRepoIDs, error) {
	var ids sdk.SelectedRepoIDs
	for page := 1; ; page++ {
		var list sdk.SelectedReposList
		if err := c.call(ctx, http.MethodGet, fmt.Sprintf("/%s/repositories?per_page=100&page=%d", url.PathEscape(name), page), nil, &list); err != nil {
			return nil, err
		}
		for _, r := range list.Repositories {
			ids = append(ids, r.GetID())
		}
		if len(list.Repositories) == 0 || len(ids) >= list.GetTotalCount() {
			return ids, nil
		}
	}
}
