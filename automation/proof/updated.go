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
func (a *Asker) updated(ctx context.Context, q Question, r *Result) {
	if a.Updated == nil || a.Since == nil {
		r.say(Unknown, "there is no way to ask when it was changed")
		return
	}
	since, err := a.Since(ctx, q.Secret.Name)
	if err != nil {
		r.say(Unreachable, err.Error())
		return
	}
	at, err := a.Updated(ctx, q.Consumer)
	if err != nil {
		r.say(Unreachable, err.Error())
		return
	}
	var missing, older []string
	for _, name := range slices.Sorted(maps.Keys(q.Consumer.Values)) {
		switch when, listed := at[name]; {
		case !listed:
			missing = append(missing, name)
		case when.IsZero():
			r.say(Unknown, "it does not say when "+name+" was set")
			return
		case when.Before(since.Add(-skew)):
			older = append(older, fmt.Sprintf("%s (%s)", name, when.UTC().Format(time.RFC3339)))
		}
	}
	switch {
	case len(missing) > 0:
		r.say(Differs, "it does not list "+strings.Join(missing, ", "))
		r.Lacks = true
	case len(older) > 0:
		r.say(Differs, "last set before this value was written ("+since.UTC().Format(time.RFC3339)+"): "+strings.Join(older, ", "))
		r.Older = true
	case since.IsZero():
		r.say(Present, "it lists the name; the value is not proven")
	default:
		r.say(Present, "set since this value was written; the value is not proven")
	}
}
