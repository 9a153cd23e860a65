package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks"
)

// accountRate is how many requests a second Cloudflare takes from one account:
// 1200 in five minutes. The plugin keeps to it by itself, and knows nothing of
// the plugins of the stacks beside it.
const accountRate = 4

// cloudflarePlugin is the one that the program's SDK asks for.
var cloudflarePlugin = engine.Plugin{Name: "cloudflare", Version: "5.49.1"}

// official reports whether the registry's plugin does the next operation of the
// stack. It destroys what it changes unless the state says retainOnDelete, it
// cannot take over what a Worker has already, and does not notice what a Worker
// has lost: an up that needs one of these is done by the provider that this
// process serves, and leaves a state in which the plugin does no harm.
func (t *Target) official() bool {
	if t.Entry.Providers != secrets.ProvidersOfficial || !t.State.Exists || len(t.Again) > 0 {
		return false
	}
	held := map[string]bool{}
	for _, r := range t.State.Resources {
		if r.Type != workersSecret || r.Delete {
			continue
		}
		if !r.RetainOnDelete {
			return false
		}
		_, name, _ := strings.Cut(r.URN, workersSecret+"::")
		held[name] = true
	}
	for key, ref := range t.Refs {
		if ref.Worker != "" && t.Holds(key) && !held[ref.Worker+"/"+ref.Name] {
			return false
		}
	}
	return true
}

// plugins is what the registry's plugin needs for one operation; nothing where
// this process serves the provider. The plugin is wanted of every stack that
// names it, also for an up that goes without: nobody is to find out later.
func (t *Target) plugins(ctx context.Context) (map[string]secrets.Value, error) {
	worker := slices.ContainsFunc(slices.Collect(maps.Values(t.Refs)), func(r stacks.Ref) bool { return r.Worker != "" })
	if t.Entry.Providers != secrets.ProvidersOfficial || !worker {
		return nil, nil
	}
	if err := t.fleet.Engine.EnsurePlugin(ctx, t.Name, cloudflarePlugin); err != nil {
		return nil, err
	}
	if !t.official() {
		return nil, nil
	}
	token, err := t.fleet.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the Cloudflare token for the plugin of stack %s: %w", t.Name, err)
	}
	env := map[string]secrets.Value{"CLOUDFLARE_API_TOKEN": token}
	set := func(name, text string) { env[name] = secrets.NewValue([]byte(text)) }
	set("CLOUDFLARE_RPS", strconv.Itoa(t.fleet.rate()))
	host, err := pluginHost(t.fleet.Catalog.Services.Cloudflare.API)
	if t.fleet.PluginEnv != nil {
		for name, text := range t.fleet.PluginEnv {
			set(name, text)
		}
	} else if err != nil {
		return nil, &engine.Error{Kind: engine.Failed, Stack: t.Name, Step: "pointing the registry's plugin at services.cloudflare.api", Err: err,
			Next: "set `providers: hosted` for " + t.Entry.Name + " in the catalog"}
	} else {
		set("CLOUDFLARE_API_HOSTNAME", host)
	}
	return env, nil
}

// pluginHost is the host of an API address that the plugin can speak to.
func pluginHost(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || strings.TrimSuffix(u.Path, "/") != "/client/v4" {
		return "", errors.New("the plugin speaks https to …/client/v4 only")
	}
	return u.Host, nil
}

// rate is one stack's part of accountRate.
func (f *Fleet) rate() int {
	stacks := 0
	for _, s := range f.Catalog.Stacks {
		if s.Providers == secrets.ProvidersOfficial {
			stacks++
		}
	}
	return max(1, accountRate/max(1, stacks))
}
