package rotation

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Each credential that this program itself uses: it is gone over to before the old
// one is revoked, and where that fails the old one lives.
func TestTheProgramGoesOverBeforeItRevokes(t *testing.T) {
	for name, set := range map[string]func(*secrets.Catalog){
		"state, access key":    func(c *secrets.Catalog) { c.State.AccessKey = entryPath },
		"state, secret key":    func(c *secrets.Catalog) { c.State.SecretKey = entryPath },
		"cloudflare":           func(c *secrets.Catalog) { c.Services.Cloudflare.Token = entryPath },
		"scaleway, access key": func(c *secrets.Catalog) { c.Services.Scaleway.AccessKey = entryPath },
		"scaleway, secret key": func(c *secrets.Catalog) { c.Services.Scaleway.SecretKey = entryPath },
		"github":               func(c *secrets.Catalog) { c.Services.GitHub.Token = entryPath },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			old := w.holds(entryPath)
			refuses, over := errors.New("refused"), 0
			rotator := func() *Rotator {
				r := w.rotator()
				set(r.Catalog)
				r.Reauth = func(context.Context, secrets.Secret) error {
					require.Empty(t, w.retired)
					over++
					return refuses
				}
				return r
			}
			_, err := rotator().Rotate(t.Context(), []string{"acme"}, Options{Grace: noGrace})
			requireReason(t, err, Untold)
			require.Contains(t, w.living(), old)
			refuses = nil
			_, err = rotator().Rotate(t.Context(), []string{"acme"}, Options{Grace: noGrace})
			require.NoError(t, err)
			require.Equal(t, []string{old}, w.retired)
			require.Equal(t, 2, over)
		})
	}
}

// Another passphrase in pass would lock every stack.
func TestAPassphraseOfStacksIsNotRotated(t *testing.T) {
	w := newWorld(t)
	r := w.rotator()
	r.Catalog.State.Passphrase = entryPath
	_, err := r.Rotate(t.Context(), []string{"acme"}, Options{New: true})
	requireReason(t, err, Misused)
	require.Equal(t, 1, w.issuer.issued)
	require.Empty(t, w.last().State)
}
