package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
)

// skewAllowed is how far the clocks may differ: S3 takes no request that is off
// by 15 minutes, and leases are compared by the clock.
const skewAllowed = 30 * time.Second

// bucketFix is what mends most of a bucket's gaps.
const bucketFix = "go run . setup --bucket"

// bucketFindings are about the bucket of an s3:// state, none for a folder;
// usable says that stacks can be looked at. But for a probe object, which is
// taken away again, nothing is changed.
func (s *session) bucketFindings(ctx context.Context) (out []finding, usable bool) {
	if !strings.HasPrefix(s.catalog.State.URL, "s3:") {
		return nil, true
	}
	const name = "state's bucket"
	b, err := s.stateBucket(ctx)
	if err != nil {
		return []finding{s.app.bad(name, err)}, false
	}
	is, err := b.Look(ctx)
	if err != nil {
		return []finding{s.app.bad(name, err)}, false
	}
	if !is.Exists {
		return []finding{{Name: name, Detail: b.Name() + " does not exist at " + b.Host() + " in region " + b.Region, Fix: s.app.inPlace(bucketFix)}}, false
	}
	out = append(out, good(name, b.Name()+" at "+b.Host()+", the key is taken"))
	if s.sandbox == nil {
		// A sandbox's server keeps no versions, and nothing in it has to last.
		out = append(out, s.kept(is)...)
	}
	return append(out, s.createOnly(ctx), clock(is.Skew)), true
}

// kept are the findings about what happens to old and overwritten objects.
func (s *session) kept(is backend.Settings) (out []finding) {
	fix := s.app.inPlace(bucketFix)
	if is.Versioned {
		out = append(out, good("bucket versioning", "on"))
	} else {
		out = append(out, finding{Name: "bucket versioning", Detail: "off: a state that is overwritten or deleted is lost", Fix: fix})
	}
	const name = "bucket lifecycle"
	switch {
	case is.NoRules:
		out = append(out, good(name, "this server has no lifecycle rules: old versions stay for ever"))
	case is.Deleting != "":
		out = append(out, finding{Name: name, Detail: "rule " + is.Deleting + " deletes the state and the journal themselves",
			Fix: "limit rule " + is.Deleting + " to another prefix, or remove it, where the bucket is managed"})
	case !is.Versions:
		out = append(out, finding{Name: name, Detail: "no rule ends old versions: every value that the state ever held, encrypted, stays for ever", Fix: fix})
	case !is.Uploads:
		out = append(out, finding{Name: name, Detail: "no rule ends unfinished uploads", Fix: fix})
	default:
		out = append(out, good(name, "old versions and unfinished uploads end"))
	}
	return out
}

// createOnly tries what keeps two operators apart.
func (s *session) createOnly(ctx context.Context) finding {
	const name = "create-only writes"
	if s.bucket.Load() == nil {
		env, err := s.stateKeys(ctx)
		if err == nil {
			err = s.openBucket(ctx, env)
		}
		if err != nil {
			return s.app.bad(name, err)
		}
	}
	err := backend.CreateOnly(ctx, s.bucket.Load())
	if errors.Is(err, backend.ErrNoDelete) {
		return finding{Name: "deleting objects", Detail: err.Error(), Fix: "allow s3:DeleteObject in the bucket's policy for this key"}
	}
	if err != nil {
		return s.app.bad(name, err)
	}
	return good(name, "honoured: two operators are kept apart")
}

func clock(skew time.Duration) finding {
	const name = "clock"
	if skew.Abs() <= skewAllowed {
		return good(name, "that of the state backend")
	}
	way := "behind"
	if skew < 0 {
		way = "ahead of"
	}
	return finding{Name: name, Detail: fmt.Sprintf("this machine's is %s %s the state backend's", skew.Abs().Round(time.Second), way),
		Fix: "timedatectl set-ntp true   (or set this machine's clock by hand)"}
}
