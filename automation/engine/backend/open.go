// Package backend reads Pulumi's state where it lies: stacks, their resources
// and their locks, without starting the CLI.
package backend

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/s3blob"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

var (
	// ErrAuth: the backend refuses the credentials, or there are none.
	ErrAuth = errors.New("the state backend refuses the credentials")
	// ErrNoFolder: a file:// address names a folder that is not there.
	ErrNoFolder = errors.New("there is no such folder")
	// ErrLegacy: the state has the layout from before projects.
	ErrLegacy = errors.New("the state has the old layout without projects: run `pulumi state upgrade` once")
	// ErrUnsupported: the address is not one that can be read here.
	ErrUnsupported = errors.New("only s3:// and file:// state backends are supported")
)

// The names under which the credentials of an s3:// backend are handed over;
// they are the CLI's own.
const (
	accessKey = "AWS_ACCESS_KEY_ID"
	secretKey = "AWS_SECRET_ACCESS_KEY"
	session   = "AWS_SESSION_TOKEN"
)

// Normalize turns an address into the one that the CLI gets and Open takes: a
// relative or ~ path of file:// becomes absolute (relative to dir), old S3
// parameters are translated as the CLI does it.
func Normalize(address, dir string) (string, error) {
	switch {
	case strings.HasPrefix(address, "file://"):
		return normalizeFile(address, dir)
	case strings.HasPrefix(address, "s3://"):
		return normalizeS3(address)
	}
	scheme, _, _ := strings.Cut(address, ":")
	return "", fmt.Errorf("reading the address of the state backend (%s): %w", scheme, ErrUnsupported)
}

func normalizeFile(address, dir string) (string, error) {
	path, query, _ := strings.Cut(strings.TrimPrefix(address, "file://"), "?")
	if path == "~" || strings.HasPrefix(path, "~/") {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("reading the address of the state backend: %w", err)
		}
		path = filepath.Join(home, strings.TrimPrefix(path, "~"))
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("reading the address of the state backend: %w", err)
	}
	if query != "" {
		path += "?" + query
	}
	return "file://" + path, nil
}

func normalizeS3(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("reading the address of the state backend: it is not a URL")
	}
	q := u.Query()
	plain := false
	if v := q.Get("disableSSL"); v != "" {
		if plain, err = strconv.ParseBool(v); err != nil {
			return "", fmt.Errorf("reading the address of the state backend: disableSSL=%s is neither true nor false", v)
		}
		q.Del("disableSSL")
		q.Set("disable_https", strconv.FormatBool(plain))
	}
	if endpoint := q.Get("endpoint"); endpoint != "" {
		if !strings.Contains(endpoint, "://") {
			scheme := "https://"
			if plain {
				scheme = "http://"
			}
			q.Set("endpoint", scheme+endpoint)
		}
		if q.Get("request_checksum_calculation") == "" {
			q.Set("request_checksum_calculation", "when_required")
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Open opens the bucket of a normalized address. The credentials of s3:// come
// from env alone, never from the process's environment.
// A nil client is the AWS SDK's own. Close the bucket after use.
func Open(ctx context.Context, address string, env map[string]secrets.Value, client *http.Client) (*blob.Bucket, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("opening the state backend: the address is not a URL")
	}
	switch u.Scheme {
	case "file":
		mend(filepath.FromSlash(u.Path))
		bucket, err := fileblob.OpenBucket(filepath.FromSlash(u.Path), &fileblob.Options{NoTempDir: true})
		if _, missing := os.Stat(filepath.FromSlash(u.Path)); err != nil && errors.Is(missing, fs.ErrNotExist) {
			return nil, fmt.Errorf("opening the state backend: %s: %w", filepath.FromSlash(u.Path), ErrNoFolder)
		}
		if err != nil {
			return nil, fmt.Errorf("opening the state backend: %w", err)
		}
		return bucket, nil
	case "s3":
		return openS3(ctx, u, env, client)
	}
	return nil, fmt.Errorf("opening the state backend (%s): %w", u.Scheme, ErrUnsupported)
}

func openS3(ctx context.Context, u *url.URL, env map[string]secrets.Value, hc *http.Client) (*blob.Bucket, error) {
	client, err := s3Client(u, env, hc)
	if err != nil {
		return nil, err
	}
	bucket, err := s3blob.OpenBucket(ctx, client, u.Host, &s3blob.Options{
		RequestChecksumCalculation: client.Options().RequestChecksumCalculation})
	if err != nil {
		return nil, fmt.Errorf("opening the state backend: %w", Explain(err))
	}
	if sub := placeOf(u).Prefix; sub != "" {
		bucket = blob.PrefixedBucket(bucket, sub)
	}
	return bucket, nil
}

// s3Client has the given credentials and no others: nothing is read from the
// process's environment, a profile or a machine's metadata.
func s3Client(u *url.URL, env map[string]secrets.Value, hc *http.Client) (*s3.Client, error) {
	if env[accessKey].IsZero() || env[secretKey].IsZero() {
		return nil, fmt.Errorf("opening the state backend: no %s and %s are given: %w", accessKey, secretKey, ErrAuth)
	}
	cfg := aws.Config{Credentials: credentials.NewStaticCredentialsProvider(
		string(env[accessKey].Reveal()), string(env[secretKey].Reveal()), string(env[session].Reveal()))}
	if hc != nil {
		cfg.HTTPClient = hc
	}
	options, err := s3Options(u.Query())
	if err != nil {
		return nil, err
	}
	place := placeOf(u)
	return s3.NewFromConfig(cfg, options, func(o *s3.Options) { o.APIOptions = append(o.APIOptions, place.explaining) }), nil
}

// s3Options reads the parameters of the address as gocloud.dev does.
func s3Options(q url.Values) (func(*s3.Options), error) {
	flags := map[string]bool{}
	for name := range q {
		switch name {
		case "use_path_style", "s3ForcePathStyle", "disable_https":
			v, err := strconv.ParseBool(q.Get(name))
			if err != nil {
				return nil, fmt.Errorf("reading the address of the state backend: %s is neither true nor false", name)
			}
			flags[name] = v
		case "region", "endpoint", "awssdk", "request_checksum_calculation", "response_checksum_validation":
		default:
			return nil, fmt.Errorf("reading the address of the state backend: parameter %s: %w", name, ErrUnsupported)
		}
	}
	return func(o *s3.Options) {
		o.Region = q.Get("region")
		if e := q.Get("endpoint"); e != "" {
			o.BaseEndpoint = aws.String(e)
		}
		o.UsePathStyle = flags["use_path_style"] || flags["s3ForcePathStyle"]
		o.EndpointOptions.DisableHTTPS = flags["disable_https"]
		if q.Get("request_checksum_calculation") == "when_required" {
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		}
		if q.Get("response_checksum_validation") == "when_required" {
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	}, nil
}
