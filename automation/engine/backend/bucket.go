package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithymiddleware "github.com/aws/smithy-go/middleware"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Place is where an s3:// state lies. Endpoint is empty for Amazon's own; Prefix
// is empty or ends with a slash.
type Place struct{ Bucket, Region, Endpoint, Prefix string }

func placeOf(u *url.URL) Place {
	p := Place{Bucket: u.Host, Region: u.Query().Get("region"), Endpoint: u.Query().Get("endpoint")}
	if sub := strings.Trim(u.Path, "/"); sub != "" {
		p.Prefix = sub + "/"
	}
	return p
}

// Name is the bucket's.
func (p Place) Name() string { return p.Bucket }

// Host is the endpoint for people.
func (p Place) Host() string {
	if p.Endpoint == "" {
		return "Amazon S3"
	}
	return p.Endpoint
}

// How long old versions of the state are kept, and uploads that nobody finished.
const (
	KeptVersions = 90 // days
	KeptUploads  = 7  // days
)

// ruleID names the one lifecycle rule that is ours.
const ruleID = "secret-rotation-state"

// Bucket is the bucket of an s3:// state and its settings.
type Bucket struct {
	Place
	client *s3.Client
}

// OpenBucket takes what Open takes; no request is made.
func OpenBucket(address string, env map[string]secrets.Value, client *http.Client) (*Bucket, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "s3" {
		return nil, fmt.Errorf("opening the state's bucket: %w", ErrUnsupported)
	}
	c, err := s3Client(u, env, client)
	if err != nil {
		return nil, err
	}
	return &Bucket{Place: placeOf(u), client: c}, nil
}

// Settings are the bucket's as they are.
type Settings struct {
	Exists bool
	// Versioned: old versions of an object are kept.
	Versioned bool
	// Versions: old ones are removed some day. Uploads: those that nobody finished
	// are. NoRules: the server has no lifecycle rules at all.
	Versions, Uploads, NoRules bool
	// Deleting names a rule that deletes the state itself; empty: there is none.
	Deleting string
	// Skew is how far the server's clock is ahead of this machine's.
	Skew time.Duration

	rules []types.LifecycleRule
}

// Look reads the settings. A bucket that is not there is no error; one that the
// key may not use is an *S3Error.
func (b *Bucket) Look(ctx context.Context) (Settings, error) {
	var s Settings
	listed, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.Bucket, Prefix: aws.String(b.Prefix + ".pulumi/"), MaxKeys: aws.Int32(1)})
	if listed != nil {
		s.Skew = skewOf(listed.ResultMetadata)
	}
	if CauseOf(err) == NoBucket {
		return s, nil
	}
	if err != nil {
		return s, b.failed("looking at", err)
	}
	s.Exists = true
	v, err := b.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &b.Bucket})
	if err != nil && CauseOf(err) != NotOffered {
		return s, b.failed("reading the versioning of", err)
	}
	s.Versioned = err == nil && v.Status == types.BucketVersioningStatusEnabled
	found, err := b.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &b.Bucket})
	switch {
	case CauseOf(err) == NotOffered:
		s.NoRules = true
	case err != nil && !answered(err, "NoSuchLifecycleConfiguration"):
		return s, b.failed("reading the lifecycle rules of", err)
	case err == nil:
		s.rules = found.Rules
	}
	for _, r := range s.rules {
		s.count(r, b.Prefix)
	}
	return s, nil
}

// skewOf is the difference of the clocks, from the answer's Date.
func skewOf(m smithymiddleware.Metadata) time.Duration {
	skew, _ := middleware.GetAttemptSkew(m)
	return skew
}

// count takes note of what a rule does to the objects below prefix.
func (s *Settings) count(r types.LifecycleRule, prefix string) {
	if r.Status != types.ExpirationStatusEnabled {
		return
	}
	at, some := scope(r)
	if whole := strings.HasPrefix(prefix, at) && !some; whole {
		s.Versions = s.Versions || r.NoncurrentVersionExpiration != nil
		s.Uploads = s.Uploads || r.AbortIncompleteMultipartUpload != nil
	}
	e := r.Expiration
	if e != nil && (e.Days != nil || e.Date != nil) && touches(at, prefix) {
		s.Deleting = aws.ToString(r.ID)
		if s.Deleting == "" {
			s.Deleting = "(without a name)"
		}
	}
}

// touches reports whether a rule for at reaches what this program and Pulumi
// keep below prefix.
func touches(at, prefix string) bool {
	for _, kept := range []string{prefix + ".pulumi/", prefix + ".rotation/"} {
		if strings.HasPrefix(kept, at) || strings.HasPrefix(at, kept) {
			return true
		}
	}
	return false
}

// scope is the prefix that a rule is for; some: only some of the objects there.
func scope(r types.LifecycleRule) (prefix string, some bool) {
	prefix = aws.ToString(r.Prefix) //nolint:staticcheck // the old form, which servers still give
	f := r.Filter
	if f == nil {
		return prefix, false
	}
	if f.Prefix != nil {
		prefix = *f.Prefix
	}
	some = f.Tag != nil || f.ObjectSizeGreaterThan != nil || f.ObjectSizeLessThan != nil
	if and := f.And; and != nil {
		prefix = aws.ToString(and.Prefix)
		some = len(and.Tags) > 0 || and.ObjectSizeGreaterThan != nil || and.ObjectSizeLessThan != nil
	}
	return prefix, some
}

// Create makes the bucket, private. One that is ours already is no error.
func (b *Bucket) Create(ctx context.Context) error {
	in := &s3.CreateBucketInput{Bucket: &b.Bucket}
	// Amazon's first region has no name here.
	if b.Region != "" && (b.Region != "us-east-1" || b.Endpoint != "") {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(b.Region)}
	}
	_, err := b.client.CreateBucket(ctx, in)
	if answered(err, "BucketAlreadyOwnedByYou") {
		return nil
	}
	return b.failed("creating", err)
}

// KeepVersions switches versioning on.
func (b *Bucket) KeepVersions(ctx context.Context) error {
	_, err := b.client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &b.Bucket,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	return b.failed("switching versioning on for", err)
}

// LimitVersions adds our rule for what s lacks. The other rules are written back
// as they were: the server replaces all of them at once.
func (b *Bucket) LimitVersions(ctx context.Context, s Settings) error {
	own := types.LifecycleRule{ID: aws.String(ruleID), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String(b.Prefix)},
		NoncurrentVersionExpiration:    &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(KeptVersions)},
		AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(KeptUploads)}}
	rules := []types.LifecycleRule{own}
	for _, r := range s.rules {
		if aws.ToString(r.ID) != ruleID {
			rules = append(rules, r)
		}
	}
	_, err := b.client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: &b.Bucket,
		LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules}})
	return b.failed("adding the lifecycle rule to", err)
}

// failed says what was done to which bucket.
func (b *Bucket) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s bucket %s: %w", doing, b.Bucket, Explain(err))
}

// CauseOf is the cause of the first S3Error in err's tree, or "".
func CauseOf(err error) Cause {
	var e *S3Error
	if errors.As(err, &e) {
		return e.Cause
	}
	return ""
}
