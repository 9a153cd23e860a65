package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
)

// errExists: the object is there already; somebody else was first.
var errExists = errors.New("object exists")

// longestObject is the biggest that is read, in bytes: an event has a few
// thousand, and an answer without an end must not be waited for.
const longestObject = 1 << 20

// object is one that was read.
type object struct {
	data []byte
	// stored is when the store, by its own clock, took it; zero where unknown.
	stored time.Time
}

// unusableError: what stands under an object's name is none that this program
// has written, and is not read.
type unusableError struct {
	why    string
	stored time.Time
}

func (e *unusableError) Error() string { return e.why }

var errTooLong = fmt.Errorf("it is longer than %d bytes", longestObject)

// objects is the little that the journal needs of a store. create must be
// atomic between processes: whole object or nothing, and one winner.
type objects interface {
	list(ctx context.Context, dir string) ([]string, error)
	// read gives an *unusableError for what is no object.
	read(ctx context.Context, key string) (object, error)
	create(ctx context.Context, key string, data []byte) error
	// remove deletes an object; one that is gone is no error.
	remove(ctx context.Context, key string) error
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

func (b bucket) read(ctx context.Context, key string) (object, error) {
	r, err := b.b().NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return object{}, err
	}
	if err != nil {
		return object{}, backend.Explain(err)
	}
	data, err := io.ReadAll(io.LimitReader(r, longestObject+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return object{}, backend.Explain(err)
	}
	if len(data) > longestObject {
		return object{}, &unusableError{errTooLong.Error(), r.ModTime()}
	}
	return object{data, r.ModTime()}, nil
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
