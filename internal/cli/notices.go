package cli

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/internal/notify"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// notices say who is told of a drift check: the values of --notify and
// --heartbeat.
type notices struct {
	notify    []string
	heartbeat string
}

func (n *notices) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&n.notify, "notify", nil, "tell `URL` (shoutrrr's, env:NAME or pass:PATH) what is new and what is resolved; may be repeated")
	f.StringVar(&n.heartbeat, "heartbeat", "", "ping `URL` (https://, env:NAME or pass:PATH) when everything was checked and is clean")
}

// noticeSource is where an address may come from: the caller's environment, and
// pass where this session has opened it.
func (s *session) noticeSource() notify.Source {
	from := notify.Source{Env: s.app.env.Get, Hide: s.redactor.Add}
	if s.store != nil {
		from.Pass = func(ctx context.Context, path string) (secrets.Value, error) { return s.entry(ctx, path) }
	}
	return from
}

// listeners opens the addresses, before anything is checked: one that cannot be
// right ends the call.
func (s *session) listeners(ctx context.Context, n notices) (*notify.Notifier, *notify.Heart, error) {
	heart, err := notify.ParseHeartbeat(ctx, s.noticeSource(), n.heartbeat)
	if err != nil {
		return nil, nil, err
	}
	tell, err := notify.Parse(ctx, s.noticeSource(), n.notify, notify.Options{Dir: notify.StateDir(s.app.env.Get), World: s.worldName(),
		Redact: s.redactor.String, Again: s.app.inPlace("go run . drift")})
	return tell, heart, err
}

// worldName tells catalogs and sandboxes apart; empty: the built-in catalog and
// the company's accounts.
func (s *session) worldName() string {
	name := s.app.opts.catalog
	if name != "" {
		name = s.app.absolute(name)
	}
	if s.sandbox != nil {
		name += "\nsandbox " + s.app.sandboxDir()
	}
	return name
}

// absolute is a file of the caller's, seen from its own folder.
func (a *app) absolute(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(a.env.Dir, file)
}
