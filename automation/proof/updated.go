package proof

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// skew is how far the service's clock may be behind ours. Within it a secret that
// was set just before our write passes for one that was set by it.
const skew = time.Minute

// updated asks when the secrets were last set: not before our write began, or
// they are not ours. It is indirect, so it is never more than Present.
func (a *Asker) updated(ctx context.Context, q Question) (Answer, string) {
	if a.Updated == nil || a.Since == nil {
		return Unknown, "there is no way to ask when it was changed"
	}
	since, err := a.Since(ctx, q.Secret.Name)
	if err != nil {
		return Unreachable, err.Error()
	}
	at, err := a.Updated(ctx, q.Consumer)
	if err != nil {
		return Unreachable, err.Error()
	}
	var missing, older []string
	for _, name := range slices.Sorted(maps.Keys(q.Consumer.Values)) {
		switch when, listed := at[name]; {
		case !listed:
			missing = append(missing, name)
		case when.IsZero():
			return Unknown, "it does not say when " + name + " was set"
		case when.Before(since.Add(-skew)):
			older = append(older, fmt.Sprintf("%s (%s)", name, when.UTC().Format(time.RFC3339)))
		}
	}
	switch {
	case len(missing) > 0:
		return Differs, "it does not list " + strings.Join(missing, ", ")
	case len(older) > 0:
		return Differs, "last set before this value was written (" + since.UTC().Format(time.RFC3339) + "): " + strings.Join(older, ", ")
	case since.IsZero():
		return Present, "it lists the name; the value is not proven"
	}
	return Present, "set since this value was written; the value is not proven"
}
