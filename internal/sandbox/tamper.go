package sandbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// tampering is one way to change something behind the program's back that takes
// more than the services: the pass store, the stacks' config, their state, the
// journal. Each is done as a person does it, with that person's programs. The
// text is the result, to be printed.
type tampering struct {
	usage string
	args  int
	do    func(s *Sandbox, ctx context.Context, a []string) (string, error)
}

func tamperings() map[string]tampering {
	return map[string]tampering{
		"token-created":      {"SERVICE: somebody makes another credential at the dashboard (cloudflare, scaleway or stripe); prints its id", 1, (*Sandbox).createToken},
		"webhook-left":       {"URL: another endpoint of Stripe, with a signing secret of its own; prints its id", 1, (*Sandbox).leaveWebhook},
		"pass-edited":        {"ENTRY VALUE: `pass edit` of the first line, pushed", 2, (*Sandbox).editEntry},
		"pass-unpushed":      {"ENTRY VALUE: `pass edit` of the first line, not pushed", 2, (*Sandbox).editUnpushed},
		"pass-behind":        {"ENTRY VALUE: the same on another machine, pushed: this store lacks the commit", 2, (*Sandbox).editElsewhere},
		"pass-entry-added":   {"ENTRY VALUE: an entry that was not there, pushed", 2, (*Sandbox).addEntry},
		"pass-entry-removed": {"ENTRY: `pass rm`, pushed", 1, (*Sandbox).removeEntry},
		"pass-key-expires":   {"DURATION: the store's key ends by then (36h, 5d)", 1, (*Sandbox).expireKey},
		"config-edited":      {"STACK KEY VALUE: `pulumi config set --secret`, not committed", 3, (*Sandbox).editConfig},
		"config-removed":     {"STACK KEY: `pulumi config rm`, not committed", 2, (*Sandbox).removeConfig},
		"state-edited":       {"STACK RESOURCE PROPERTY VALUE: `pulumi stack export`, an edited input (a.b is b in a), `pulumi stack import`", 4, (*Sandbox).editState},
		"state-locked":       {"STACK: the lock of a Pulumi that died on another machine", 1, (*Sandbox).lockState},
		"state-pending":      {"STACK: an update that was killed in the middle of an operation", 1, (*Sandbox).leavePending},
		"journal-truncated":  {"SECRET: its newest event is gone", 1, (*Sandbox).truncateJournal},
		"journal-altered":    {"SECRET: an event in the middle is edited", 1, (*Sandbox).alterJournal},
		"journal-lost":       {"SECRET: all its events are gone", 1, (*Sandbox).loseJournal},
	}
}

// Tamper changes something behind everybody's back and returns what is to be
// printed; TamperUsage has the kinds.
func (s *Sandbox) Tamper(ctx context.Context, kind string, args ...string) (string, error) {
	t, ok := tamperings()[kind]
	if !ok && !slices.Contains(kinds(), kind) {
		return "", fmt.Errorf("tampering: no kind %q (there are %s)", kind, strings.Join(kinds(), ", "))
	}
	if !ok {
		return "", s.world.Tamper(kind, args...)
	}
	if len(args) != t.args {
		return "", fmt.Errorf("tampering: %s takes %s", kind, t.usage)
	}
	text, err := t.do(s, ctx, args)
	if err != nil {
		return "", fmt.Errorf("tampering %s: %w", kind, err)
	}
	return text, nil
}

func kinds() []string {
	var out []string
	for _, line := range TamperUsage() {
		kind, _, _ := strings.Cut(line, " ")
		out = append(out, kind)
	}
	return out
}

// TamperUsage describes the kinds of tampering, a line each, sorted.
func TamperUsage() []string {
	out := world.TamperUsage()
	for kind, t := range tamperings() {
		out = append(out, kind+" "+t.usage)
	}
	slices.Sort(out)
	return out
}

// dashboards are what each service makes at its dashboard and lists by its API.
func dashboards() map[string]world.Order {
	const by = "made at the dashboard"
	return map[string]world.Order{
		world.Cloudflare: {Service: world.Cloudflare, Description: by},
		world.Scaleway:   {Service: world.Scaleway, Description: by},
		world.Stripe:     {Service: world.Stripe, Entries: []string{"secret-key"}, Description: by},
	}
}

func (s *Sandbox) createToken(_ context.Context, a []string) (string, error) {
	order, ok := dashboards()[a[0]]
	if !ok {
		return "", fmt.Errorf("no service %q for it; there are %s", a[0], strings.Join(slices.Sorted(maps.Keys(dashboards())), ", "))
	}
	return s.issued(order)
}

func (s *Sandbox) leaveWebhook(_ context.Context, a []string) (string, error) {
	return s.issued(world.Order{Service: world.Stripe, Entries: []string{"webhook-secret"},
		Webhook: &world.WebhookEndpoint{URL: a[0], Events: []string{"checkout.session.completed"}, Live: true}})
}

// issued is the id of a credential that was made; of a pair its first half's.
func (s *Sandbox) issued(order world.Order) (string, error) {
	made, err := s.world.Issue(order)
	if err != nil {
		return "", err
	}
	return made[0].ID + "\n", nil
}
