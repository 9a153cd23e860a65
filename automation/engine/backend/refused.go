package backend

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	smithymiddleware "github.com/aws/smithy-go/middleware"
)

// Cause says what kept an S3 server from doing what it was asked.
type Cause string

// The causes that a person can do something about.
const (
	NoBucket    Cause = "no such bucket"
	NotAllowed  Cause = "not allowed"
	WrongKey    Cause = "wrong key"
	WrongRegion Cause = "wrong region"
	WrongClock  Cause = "wrong clock"
	Unreachable Cause = "unreachable"
	NotOffered  Cause = "not offered"
	Taken       Cause = "name taken"
	Busy        Cause = "busy"
)

// S3Error is a request to the state's bucket that failed. Its text names the
// place and never quotes the request.
type S3Error struct {
	Cause Cause
	Place Place
	// Code is the server's own word; empty where none answered.
	Code string
	// Skew is how far the server's clock is ahead of ours (WrongClock).
	Skew time.Duration
	Err  error
}

// Error implements error.
func (e *S3Error) Error() string {
	p := e.Place
	switch e.Cause {
	case NoBucket:
		return fmt.Sprintf("the state's bucket %s does not exist at %s in region %s (%s)", p.Bucket, p.Host(), p.Region, e.Code)
	case NotAllowed:
		return fmt.Sprintf("%s: the key may not use bucket %s at %s (%s): it lacks the permission, or the bucket is somebody else's", ErrAuth, p.Bucket, p.Host(), e.Code)
	case WrongKey:
		return fmt.Sprintf("%s: %s does not take the key (%s)", ErrAuth, p.Host(), e.Code)
	case WrongRegion:
		return fmt.Sprintf("region %s is not that of bucket %s or of %s (%s)", p.Region, p.Bucket, p.Host(), e.Code)
	case WrongClock:
		return fmt.Sprintf("this machine's clock and that of %s differ%s, so no request is taken (%s)", p.Host(), by(e.Skew), e.Code)
	case Unreachable:
		return fmt.Sprintf("the state backend at %s cannot be reached: %s", p.Host(), unreachable(e.Err))
	case NotOffered:
		return fmt.Sprintf("the S3 server at %s does not offer this (%s)", p.Host(), e.Code)
	case Taken:
		return fmt.Sprintf("the name %s is taken by somebody else's bucket at %s (%s)", p.Bucket, p.Host(), e.Code)
	}
	return fmt.Sprintf("the S3 server at %s answers %s, tried several times", p.Host(), e.Code)
}

// Unwrap gives the SDK's own error, for those who ask for its code.
func (e *S3Error) Unwrap() error { return e.Err }

// Is: a key that is not taken is ErrAuth.
func (e *S3Error) Is(target error) bool {
	return target == ErrAuth && (e.Cause == WrongKey || e.Cause == NotAllowed)
}

func by(skew time.Duration) string {
	if skew == 0 {
		return ""
	}
	return " by " + skew.Abs().Round(time.Second).String()
}

// causes by the codes of S3 servers; Scaleway and versitygw use Amazon's.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func causeOf(code string) (Cause, bool) {
	for cause, codes := range map[Cause][]string{
		NoBucket:    {"NoSuchBucket"},
		NotAllowed:  {"AccessDenied", "Forbidden", "AllAccessDisabled", "AccountProblem"},
		WrongKey:    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidSecurity"},
		WrongRegion: {"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "MovedPermanently", "IllegalLocationConstraintException", "InvalidLocationConstraint", "InvalidRegion"},
		WrongClock:  {"RequestTimeTooSkewed", "RequestExpired"},
		NotOffered:  {"NotImplemented", "VersioningNotConfigured", "MethodNotAllowed"},
		Taken:       {"BucketAlreadyExists"},
		Busy:        {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout"},
	} {
		if slices.Contains(codes, code) {
			return cause, true
		}
	}
	return "", false
}

// explaining has a client's errors say what they mean. What a caller handles by
// itself, such as an object that is not there, stays as it is.
func (p Place) explaining(stack *smithymiddleware.Stack) error {
	return stack.Initialize.Add(smithymiddleware.InitializeMiddlewareFunc("explain", func(ctx context.Context, in smithymiddleware.InitializeInput, next smithymiddleware.InitializeHandler) (
		smithymiddleware.InitializeOutput, smithymiddleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		if err != nil {
			skew, _ := middleware.GetAttemptSkew(metadata)
			err = p.explained(err, skew)
		}
		return out, metadata, err
	}), smithymiddleware.Before)
}

func (p Place) explained(err error, skew time.Duration) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := &S3Error{Place: p, Err: err, Skew: skew}
	var api smithy.APIError
	if errors.As(err, &api) {
		cause, known := causeOf(api.ErrorCode())
		if !known {
			return err
		}
		e.Cause, e.Code = cause, api.ErrorCode()
		return e
	}
	var lost *url.Error
	if !errors.As(err, &lost) {
		return err
	}
	e.Cause = Unreachable
	return e
}

// unreachable is the reason alone: the rest of such an error is the address.
func unreachable(err error) string {
	var (
		name     *net.DNSError
		conn     *net.OpError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		lost     *url.Error
	)
	switch {
	case errors.As(err, &name):
		return "there is no host " + name.Name
	case errors.As(err, &unknown):
		return "its certificate is signed by nobody that is known here"
	case errors.As(err, &hostname):
		return "its certificate is for another name"
	case errors.As(err, &conn):
		return conn.Err.Error()
	case errors.As(err, &lost):
		return lost.Err.Error()
	}
	return "no answer"
}
