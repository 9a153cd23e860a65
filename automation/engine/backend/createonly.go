package backend

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// ErrNoCreateOnly: the server overwrites an object although it was asked to
// create it only. Two operators at once would not notice each other there.
var ErrNoCreateOnly = errors.New("the state backend does not honour create-only writes (If-None-Match: *), so it cannot keep two operators apart: use a backend that does")

// ErrNoDelete: the key may write objects and not delete them. Pulumi's locks stay
// then, and every later update of the stack finds it locked.
var ErrNoDelete = errors.New("the state backend's key may not delete objects, so the lock of every update stays: allow s3:DeleteObject")

// probeDir is beside the journal's folders of secrets, whose names never begin
// with a dot.
const probeDir = ".rotation/.probe/"

// probeCleanup bounds the removal of the probe, which is also done for a caller
// that gave up.
const probeCleanup = 10 * time.Second

// CreateOnly tries whether the backend honours create-only writes: it writes an
// object of a random name twice, of which the second must be refused, and
// deletes it. ErrNoCreateOnly where it is not; ErrNoDelete where all that failed
// is the removal, for want of the right.
func CreateOnly(ctx context.Context, b *blob.Bucket) (err error) {
	key, content := probeDir+rand.Text(), []byte(`{"probe":"`+rand.Text()+`"}`)
	err = create(ctx, b, key, content)
	if refused(err) && holds(ctx, b, key, content) {
		// It was taken, the answer was lost, and the client wrote it once more.
		err = nil
	}
	if refused(err) {
		// Nobody else has this name: the server refuses all such writes.
		return fmt.Errorf("probing the state backend: %w", ErrNoCreateOnly)
	}
	if err != nil {
		return fmt.Errorf("probing the state backend: %w", Explain(err))
	}
	defer func() { err = errors.Join(err, removeProbe(ctx, b, key)) }()
	err = create(ctx, b, key, content)
	switch {
	case refused(err):
		return nil
	case err == nil:
		return fmt.Errorf("probing the state backend: %w", ErrNoCreateOnly)
	}
	return fmt.Errorf("probing the state backend: %w", Explain(err))
}

// holds reports whether an object has this content.
func holds(ctx context.Context, b *blob.Bucket, key string, content []byte) bool {
	have, err := b.ReadAll(ctx, key)
	return err == nil && bytes.Equal(have, content)
}

func create(ctx context.Context, b *blob.Bucket, key string, content []byte) error {
	return b.WriteAll(ctx, key, content, &blob.WriterOptions{IfNotExist: true, ContentType: "application/json"})
}

// refused: 412, or 501 from a server that knows the header and cannot do it.
func refused(err error) bool {
	switch gcerrors.Code(err) {
	case gcerrors.FailedPrecondition, gcerrors.AlreadyExists, gcerrors.Unimplemented:
		return true
	}
	return answered(err, "NotImplemented", "ConditionalRequestConflict")
}

func removeProbe(ctx context.Context, b *blob.Bucket, key string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeCleanup)
	defer cancel()
	if err := b.Delete(ctx, key); denied(err) {
		return fmt.Errorf("removing %s: %w", key, ErrNoDelete)
	} else if err != nil {
		return fmt.Errorf("removing %s from the state backend: %w", key, Explain(err))
	}
	return nil
}
