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
	// Values are the decrypted secrets in a file's text, by path (File.Walk).
	Values(ctx context.Context, text []byte) (map[string]secrets.Value, error)
	// Encrypt returns a text that holds these values, encrypted like its others.
	// All the rest of it may have another form.
	Encrypt(ctx context.Context, text []byte, values map[string]secrets.Value) ([]byte, error)
}

// Kept opens the config with the file's Keeper.
func (f File) Kept(ctx context.Context, c Content) (Opened, error) {
	if f.Keeper == nil {
		return Opened{}, fmt.Errorf("reading %s: its secrets are encrypted by %s: %w", f.name(), c.Provider, ErrProvider)
	}
	have, err := f.Keeper.Values(ctx, c.Raw)
	if err != nil {
		return Opened{}, err
	}
	return f.opened(c, func(path, _ string) (secrets.Value, bool) { v, ok := have[path]; return v, ok })
}

// renderKept is Render with a Keeper: only the new ciphertexts are taken from
// what it gives, so that the rest of the file stays as it is.
func (f File) renderKept(ctx context.Context, old Content, values map[string]secrets.Value) ([]byte, []string, error) {
	have, err := f.Kept(ctx, old)
	if err != nil {
		return nil, nil, err
	}
	if err := f.replaceable(have, values); err != nil {
		return nil, nil, err
	}
	fresh, cipher := map[string]secrets.Value{}, map[string]string{}
	var changed []string
	for key, value := range values {
		if is, ok := have.Secrets[f.shown(key)]; ok && is.Equal(value) {
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
