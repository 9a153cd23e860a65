package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gocloud.dev/blob"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// events are the keys of a secret's events, oldest first.
func events(ctx context.Context, b *blob.Bucket, secret string) ([]string, error) {
	var keys []string
	for it := b.List(&blob.ListOptions{Prefix: journal.Root + "/" + secret + "/"}); ; {
		object, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, object.Key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("the journal has no event of %s: rotate it first", secret)
	}
	slices.Sort(keys)
	return keys, nil
}

func (s *Sandbox) truncateJournal(ctx context.Context, a []string) (string, error) {
	return "", s.inState(ctx, func(b *blob.Bucket) error {
		keys, err := events(ctx, b, a[0])
		if err != nil {
			return err
		}
		return b.Delete(ctx, keys[len(keys)-1])
	})
}

func (s *Sandbox) loseJournal(ctx context.Context, a []string) (string, error) {
	return "", s.inState(ctx, func(b *blob.Bucket) error {
		keys, err := events(ctx, b, a[0])
		for _, key := range keys {
			err = errors.Join(err, b.Delete(ctx, key))
		}
		return err
	})
}

// alterJournal makes an event a day older than it was: still one that can be
// read, as a person's editor would leave it.
func (s *Sandbox) alterJournal(ctx context.Context, a []string) (string, error) {
	return "", s.inState(ctx, func(b *blob.Bucket) error {
		keys, err := events(ctx, b, a[0])
		if err != nil {
			return err
		}
		if len(keys) < 2 {
			return fmt.Errorf("the journal has a single event of %s, none in the middle", a[0])
		}
		key := keys[(len(keys)-1)/2]
		raw, err := b.ReadAll(ctx, key)
		if err != nil {
			return err
		}
		var e journal.Event
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("reading event %s: %w", key, err)
		}
		e.Time = e.Time.Add(-24 * time.Hour)
		if raw, err = json.MarshalIndent(e, "", "  "); err != nil {
			return fmt.Errorf("encoding event %s: %w", key, err)
		}
		if raw = append(raw, '\n'); s.kind != BackendS3 {
			// The library would put a file of its own beside it.
			return os.WriteFile(s.path("state", filepath.FromSlash(key)), raw, 0o600)
		}
		return b.WriteAll(ctx, key, raw, nil)
	})
}
