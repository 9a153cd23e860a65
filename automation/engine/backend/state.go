package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	"github.com/pulumi/pulumi/sdk/v3/go/common/encoding"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"gopkg.in/yaml.v3"
)

const (
	metaKey  = ".pulumi/meta.yaml"
	stackDir = ".pulumi/stacks/"
	lockDir  = ".pulumi/locks/organization/"
)

// State is a stack as the backend has it.
type State struct {
	Exists bool
	Locks  []Lock
	// Pending names the operations that an earlier update left half done, as
	// "creating URN".
	Pending   []string
	Resources []Resource
	// Size is the checkpoint's, in bytes.
	Size int64
}

// Lock says who is updating a stack. Where the object cannot be read, all but
// URL is empty.
type Lock struct {
	Host, User string
	Pid        int
	Time       time.Time
	// URL is the lock object's key in the backend.
	URL string
}

// Resource is one entry of the state, without its values.
type Resource struct {
	URN, Type string
	// ID is what its service calls it. It is kept for services whose ids are no
	// secrets (identified); others make a value up and call that the id.
	ID string
	// RetainOnDelete: leaving the state does not delete it.
	RetainOnDelete bool
	// Delete: the next update deletes it.
	Delete bool
}

// Stacks lists the project's stacks, sorted.
func Stacks(ctx context.Context, b *blob.Bucket, project string) ([]string, error) {
	if err := checkLayout(ctx, b); err != nil {
		return nil, err
	}
	keys, err := list(ctx, b, stackDir+project+"/")
	if err != nil {
		return nil, fmt.Errorf("listing the stacks of %s: %w", project, err)
	}
	var out []string
	for _, key := range keys {
		name, ok := stackName(strings.TrimPrefix(key, stackDir+project+"/"))
		if ok && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Read returns one stack's state; a stack that is not there does not exist,
// which is no error.
func Read(ctx context.Context, b *blob.Bucket, project, stack string) (State, error) {
	if err := checkLayout(ctx, b); err != nil {
		return State{}, err
	}
	var st State
	var err error
	if st.Locks, err = Locks(ctx, b, project, stack); err != nil {
		return State{}, err
	}
	for _, ext := range []string{".json", ".json.gz", ".json.zst"} {
		raw, err := readWhole(ctx, b, stackDir+project+"/"+stack+ext)
		if gcerrors.Code(err) == gcerrors.NotFound {
			continue
		}
		if err != nil {
			return State{}, fmt.Errorf("reading the state of %s: %w", stack, Explain(err))
		}
		st.Exists, st.Size = true, int64(len(raw))
		if err := st.decode(raw, stack); err != nil {
			return st, damaged(ctx, b, stack, stackDir+project+"/"+stack+ext)
		}
		return st, nil
	}
	return st, nil
}

// DamagedError: a stack's state is no checkpoint, as a disk that was full leaves
// it. Key is the object's in the backend; Backup is the key of the checkpoint
// before it where that can be read, else empty.
type DamagedError struct{ Stack, Key, Backup string }

// Error names the object and what to put in its place.
func (e *DamagedError) Error() string {
	text := fmt.Sprintf("reading the state of %s: it is not a Pulumi checkpoint (%s)", e.Stack, e.Key)
	if e.Backup != "" {
		text += "; the one before it is whole (" + e.Backup + ")"
	}
	return text
}

// damaged looks for the copy that the CLI keeps beside a checkpoint.
func damaged(ctx context.Context, b *blob.Bucket, stack, key string) error {
	e := &DamagedError{Stack: stack, Key: key}
	var before State
	if raw, err := readWhole(ctx, b, key+".bak"); err == nil && before.decode(raw, stack) == nil {
		e.Backup = key + ".bak"
	}
	return e
}

// An update that goes on in another process writes its objects' attributes in
// place: for a moment such a file is empty.
const (
	writePatience = 500 * time.Millisecond
	writeEvery    = 10 * time.Millisecond
)

// readWhole reads an object, and again while it is seen half written.
func readWhole(ctx context.Context, b *blob.Bucket, key string) ([]byte, error) {
	for deadline := time.Now().Add(writePatience); ; {
		raw, err := b.ReadAll(ctx, key)
		half := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if !half || !time.Now().Before(deadline) {
			return raw, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(writeEvery):
		}
	}
}

// Locks lists who holds the stack.
func Locks(ctx context.Context, b *blob.Bucket, project, stack string) ([]Lock, error) {
	keys, err := list(ctx, b, lockDir+project+"/"+stack+"/")
	if err != nil {
		return nil, fmt.Errorf("listing the locks of %s: %w", stack, err)
	}
	var out []Lock
	for _, key := range keys {
		raw, err := readWhole(ctx, b, key)
		if gcerrors.Code(err) == gcerrors.NotFound {
			continue // its holder ended while we looked
		}
		if err != nil {
			return nil, fmt.Errorf("reading a lock of %s: %w", stack, Explain(err))
		}
		var l struct {
			Pid       int       `json:"pid"`
			Username  string    `json:"username"`
			Hostname  string    `json:"hostname"`
			Timestamp time.Time `json:"timestamp"`
		}
		_ = json.Unmarshal(raw, &l)
		out = append(out, Lock{Host: l.Hostname, User: l.Username, Pid: l.Pid, Time: l.Timestamp, URL: key})
	}
	return out, nil
}

// decode reads the parts of a checkpoint that are shown; its values are not
// even kept.
func (st *State) decode(raw []byte, stack string) error {
	type resource struct {
		URN            string `json:"urn"`
		Type           string `json:"type"`
		ID             string `json:"id"`
		RetainOnDelete bool   `json:"retainOnDelete"`
		Delete         bool   `json:"delete"`
	}
	var file struct {
		Version    int `json:"version"`
		Checkpoint struct {
			Latest *struct {
				Resources []resource `json:"resources"`
				Pending   []struct {
					Resource resource `json:"resource"`
					Type     string   `json:"type"`
				} `json:"pending_operations"`
			} `json:"latest"`
		} `json:"checkpoint"`
	}
	m := encoding.Compress(encoding.JSON, encoding.DetectCompression(raw))
	if err := m.Unmarshal(raw, &file); err != nil || file.Version == 0 {
		// The cause would quote the state.
		return fmt.Errorf("reading the state of %s: it is not a Pulumi checkpoint", stack)
	}
	if file.Checkpoint.Latest == nil {
		return nil
	}
	for _, r := range file.Checkpoint.Latest.Resources {
		if !identified(r.Type) {
			r.ID = ""
		}
		st.Resources = append(st.Resources, Resource(r))
	}
	for _, p := range file.Checkpoint.Latest.Pending {
		st.Pending = append(st.Pending, p.Type+" "+p.Resource.URN)
	}
	return nil
}

// identified reports whether the ids of resources of this type are the service's
// and no secrets.
func identified(typ string) bool {
	name, _, _ := strings.Cut(typ, ":")
	return slices.Contains([]string{"scaleway", "cloudflare", "github"}, name)
}

// checkLayout refuses what this package would misread: the layout without
// projects, and layouts that do not exist yet.
func checkLayout(ctx context.Context, b *blob.Bucket) error {
	raw, err := readWhole(ctx, b, metaKey)
	if err == nil {
		var meta struct {
			Version *int `yaml:"version"`
		}
		switch err := yaml.Unmarshal(raw, &meta); {
		case err != nil || meta.Version == nil:
			return fmt.Errorf("reading the state backend: %s is damaged", metaKey)
		case *meta.Version == 0:
			return fmt.Errorf("reading the state backend: %w", ErrLegacy)
		case *meta.Version > 1:
			return fmt.Errorf("reading the state backend: layout %d is newer than this program: %w", *meta.Version, ErrUnsupported)
		}
		return nil
	}
	if gcerrors.Code(err) != gcerrors.NotFound || denied(err) {
		return fmt.Errorf("reading the state backend: %w", Explain(err))
	}
	keys, err := list(ctx, b, stackDir)
	if err != nil {
		return fmt.Errorf("reading the state backend: %w", err)
	}
	for _, key := range keys {
		if _, ok := stackName(strings.TrimPrefix(key, stackDir)); ok {
			return fmt.Errorf("reading the state backend: %w", ErrLegacy)
		}
	}
	return nil
}

// stackName is the stack of a file directly in a folder; backups and
// attributes are none.
func stackName(file string) (string, bool) {
	if strings.Contains(file, "/") {
		return "", false
	}
	name := strings.TrimSuffix(strings.TrimSuffix(file, ".gz"), ".zst")
	name, ok := strings.CutSuffix(name, ".json")
	return name, ok && name != ""
}

func list(ctx context.Context, b *blob.Bucket, prefix string) ([]string, error) {
	var out []string
	for it := b.List(&blob.ListOptions{Prefix: prefix}); ; {
		obj, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, Explain(err)
		}
		if !obj.IsDir && path.Base(obj.Key) != "" {
			out = append(out, obj.Key)
		}
	}
}

// denied knows the answers of S3 servers to a wrong or missing key.
func denied(err error) bool {
	return answered(err, "AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId",
		"Forbidden", "ExpiredToken", "InvalidToken")
}

// answered reports whether the S3 server answered with one of the codes.
func answered(err error, codes ...string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode())
}

// Explain keeps what an error of the bucket is about and drops the request it
// quotes; a refused credential becomes ErrAuth.
func Explain(err error) error {
	var (
		api  smithy.APIError
		told *S3Error
	)
	switch {
	case errors.As(err, &told):
		return told
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case denied(err):
		errors.As(err, &api)
		return fmt.Errorf("%s: %w", api.ErrorCode(), ErrAuth)
	case errors.As(err, &api):
		return fmt.Errorf("the S3 server answers %s", api.ErrorCode())
	}
	return err
}
