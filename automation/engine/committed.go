package engine

import (
	"errors"
	"os"
)

// OnlySecretsChanged reports whether the stack's config file differs from an
// earlier text of it, empty where there was none, in nothing but the secrets of
// these keys, as WriteConfig sets them.
func (s *Stack) OnlySecretsChanged(before []byte, keys []string) (bool, error) {
	const step = "comparing the config with the committed one"
	now, err := os.ReadFile(s.file.Path)
	if errors.Is(err, os.ErrNotExist) {
		return len(before) == 0, nil
	}
	if err != nil {
		return false, s.wrap(step, err)
	}
	return s.file.Only(before, now, keys), nil
}
