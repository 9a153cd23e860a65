package cloudflare

import (
	"cmp"
	"context"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// List implements services.Lister: all tokens of the user or, for a token of the
// account, of the account. It needs no more than API Tokens Read.
func (c *Client) List(ctx context.Context, with services.Credential) ([]services.Issued, error) {
	const op = "listing tokens"
	s, err := c.sit(ctx, op, with)
	if err != nil {
		return nil, err
	}
	all, err := s.list(ctx)
	if err != nil {
		f := s.fault(op, err)
		if f.Kind == services.Permission {
			f.Message = "the token may not list tokens; it needs the permission " + s.place.read
			f.Next = "add " + s.place.read + " to the token at " + dashboard
		}
		return nil, f
	}
	out := make([]services.Issued, 0, len(all))
	for _, r := range all {
		one := r.issued()
		one.ID, one.Label = services.Printable(one.ID), services.Printable(one.Label)
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b services.Issued) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}
