package stackfile

import (
	"context"
	"fmt"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Keeper opens config secrets that are encrypted with the key of a service, such
// as a cloud's key management. It works on texts, never on the file itself.
type Keeper interface {
	// Values are the decrypted secrets in a file's text, by key in the form of
	// File.Key.
	Values(ctx context.Context, text []byte) (map[string]secrets.Value, error)
	// Encrypt returns a text that holds these values, encrypted like its others.
	// All the rest of it may have another form.
	Encrypt(ctx context.Context, text []byte, values map[string]secrets.Value) ([]byte, error)
}

// renderKept is Render with a Keeper: only the new ciphertexts are taken from
// what it gives, so that the rest of the file stays as it is.
func (f File) renderKept(ctx context.Context, old Content, values map[string]secrets.Value) ([]byte, []string, error) {
	if f.Keeper == nil {
		return nil, nil, fmt.Errorf("reading %s: its secrets are encrypted by %s: %w", f.name(), old.Provider, ErrProvider)
	}
	have, err := f.Keeper.Values(ctx, old.Raw)
	if err != nil {
		return nil, nil, err
	}
	fresh, cipher := map[string]secrets.Value{}, map[string]string{}
	var changed []string
	for key, value := range values {
		if is, ok := have[f.shown(key)]; ok && is.Equal(value) {
			continue
		}
		fresh[key], cipher[key] = value, ""
		changed = append(changed, key)
	}
	if len(changed) == 0 {
		return old.Raw, nil, nil
	}
	text, err := f.Keeper.Encrypt(ctx, old.Raw, fresh)
	if err != nil {
		return nil, nil, err
	}
	now, err := f.parse(text)
	if err != nil {
		return nil, nil, err
	}
	if now.dataKey != old.dataKey || now.Provider != old.Provider {
		return nil, nil, fmt.Errorf("encrypting for %s: the secrets provider gave another key than the file's: %w", f.name(), ErrProvider)
	}
	found := map[string]string{}
	if _, err := f.asData(text, cipher, found); err != nil {
		return nil, nil, err
	}
	if len(found) != len(fresh) {
		return nil, nil, fmt.Errorf("encrypting for %s: not every value came back encrypted: %w", f.name(), ErrProvider)
	}
	slices.Sort(changed)
	out, err := f.rewrite(old.Raw, "", found)
	return out, changed, err
}
