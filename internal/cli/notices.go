package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
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

// listeners are the opened addresses of who is told.
type listeners struct {
	tell  *notify.Notifier
	heart *notify.Heart
	// deaf is why some could not be opened.
	deaf error
}

// listeners opens the addresses, before anything is checked: one that cannot be
// right ends the call. Where pass could not be opened, its addresses are not
// known, and that is told with the result.
func (s *session) listeners(ctx context.Context, n notices) (listeners, error) {
	from := s.noticeSource()
	options := notify.Options{Dir: notify.StateDir(s.app.env.Get), World: s.worldName(), Redact: s.redactor.String, Again: s.app.inPlace("go run . drift")}
	var l listeners
	heart, err := notify.ParseHeartbeat(ctx, from, n.heartbeat)
	if l.heart, l.deaf = heart, err; exitCode(err) == exitUsage {
		return l, err
	}
	var open []string
	for _, ref := range n.notify {
		if _, err := notify.Parse(ctx, from, []string{ref}, options); exitCode(err) == exitUsage {
			return l, err
		} else if err != nil {
			l.deaf = errors.Join(l.deaf, err)
			continue
		}
		open = append(open, ref)
	}
	l.tell, err = notify.Parse(ctx, from, open, options)
	return l, err
}

// announce tells of a report, and gives the exit code: the check's own, but that
// a clean check of which nobody could be told is not 0.
func (s *session) announce(ctx context.Context, l listeners, r drift.Report, code int) int {
	var beat error
	if l.heart != nil {
		beat = l.heart.Beat(ctx, r)
	}
	err := errors.Join(l.deaf, l.tell.Run(ctx, r), beat)
	for _, one := range apart(err) {
		_, _ = fmt.Fprintf(s.err, "warning: %v\n", one)
		for _, next := range s.app.nextOf(one) {
			_, _ = fmt.Fprintf(s.err, "  next: %s\n", next)
		}
	}
	if err != nil && code == exitOK {
		return exitFailed
	}
	return code
}

// apart are the errors that were joined into one.
func apart(err error) (all []error) {
	joined, many := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !many:
		return []error{err}
	}
	for _, one := range joined.Unwrap() {
		all = append(all, apart(one)...)
	}
	return all
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
