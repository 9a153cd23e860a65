package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
)

// errExists: the object is there already; somebody else was first.
var errExists = errors.New("object exists")

// objects is the little that the journal needs of a store. create must be
// atomic between processes: whole object or nothing, and one winner.
type objects interface {
	list(ctx context.Context, dir string) ([]string, error)
	read(ctx context.Context, key string) ([]byte, error)
	create(ctx context.Context, key string, data []byte) error
	// remove deletes an object; one that is gone is no error.
	remove(ctx context.Context, key string) error
}

// files keeps objects as files. gocloud's fileblob is not used here: its
// IfNotExist holds within one process only.
type files struct{ root string }

func (f files) list(_ context.Context, dir string) ([]string, error) {
	found, err := os.ReadDir(filepath.Join(f.root, filepath.FromSlash(dir)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing journal folder: %w", err)
	}
	var keys []string
	for _, e := range found {
		if !strings.HasPrefix(e.Name(), ".") {
			keys = append(keys, path.Join(dir, e.Name()))
		}
	}
	return keys, nil
}

func (f files) read(_ context.Context, key string) ([]byte, error) {
	return os.ReadFile(filepath.Join(f.root, filepath.FromSlash(key)))
}

// create writes a hidden temporary file and gives it its name by link(2), which
// fails if the name is taken: atomic between processes, also over NFS.
func (f files) create(_ context.Context, key string, data []byte) (err error) {
	name := filepath.Join(f.root, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("making journal folder: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".event-*")
	if err != nil {
		return fmt.Errorf("creating journal event: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(tmp.Name())) }()
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("writing journal event: %w", err)
	}
	if err := os.Link(tmp.Name(), name); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return errExists
		}
		return fmt.Errorf("placing journal event: %w", err)
	}
	return syncDir(filepath.Dir(name))
}

func (f files) remove(_ context.Context, key string) error {
	err := os.Remove(filepath.Join(f.root, filepath.FromSlash(key)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening journal folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// conflicts is how often a write that met another one is tried.
const conflicts = 5

// bucket keeps objects in an object store that honours create-only writes.
type bucket struct{ b func() *blob.Bucket }

func (b bucket) list(ctx context.Context, dir string) ([]string, error) {
	var keys []string
	it := b.b().List(&blob.ListOptions{Prefix: dir + "/", Delimiter: "/"})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return keys, nil
		}
		if err != nil {
			return nil, fmt.Errorf("listing journal: %w", backend.Explain(err))
		}
		keys = append(keys, strings.TrimSuffix(o.Key, "/"))
	}
}

func (b bucket) read(ctx context.Context, key string) ([]byte, error) {
	data, err := b.b().ReadAll(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, err
	}
	return data, backend.Explain(err)
}

func (b bucket) create(ctx context.Context, key string, data []byte) error {
	var err error
	// S3 answers 409 to one of two writes of the same moment: it may try again.
	for range conflicts {
		err = b.b().WriteAll(ctx, key, data, &blob.WriterOptions{IfNotExist: true, ContentType: "application/json"})
		if err == nil || !strings.Contains(err.Error(), "ConditionalRequestConflict") {
			break
		}
	}
	if gcerrors.Code(err) == gcerrors.FailedPrecondition || gcerrors.Code(err) == gcerrors.AlreadyExists {
		return errExists
	}
	if err != nil {
		return fmt.Errorf("writing journal event: %w", backend.Explain(err))
	}
	return nil
}

func (b bucket) remove(ctx context.Context, key string) error {
	err := b.b().Delete(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	return err
}
