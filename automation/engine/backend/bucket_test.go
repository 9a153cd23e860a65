package backend

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func rule(change func(*types.LifecycleRule)) types.LifecycleRule {
	r := types.LifecycleRule{ID: aws.String("r"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")}}
	change(&r)
	return r
}

func versions(r *types.LifecycleRule) {
	r.NoncurrentVersionExpiration = &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(30)}
}

func expires(r *types.LifecycleRule) {
	r.Expiration = &types.LifecycleExpiration{Days: aws.Int32(1)}
}

func TestLifecycleRulesAreUnderstood(t *testing.T) {
	for name, c := range map[string]struct {
		prefix   string
		rule     types.LifecycleRule
		versions bool
		deleting string
	}{
		"whole bucket": {"", rule(versions), true, ""},
		"disabled":     {"", rule(func(r *types.LifecycleRule) { versions(r); r.Status = types.ExpirationStatusDisabled }), false, ""},
		"no filter":    {"", rule(func(r *types.LifecycleRule) { versions(r); r.Filter = nil }), true, ""},
		"old form of a prefix": {"", rule(func(r *types.LifecycleRule) {
			versions(r)
			r.Filter, r.Prefix = nil, aws.String("logs/") //nolint:staticcheck // what old rules have
		}), false, ""},
		"a part of ours": {"dir/", rule(func(r *types.LifecycleRule) { versions(r); r.Filter.Prefix = aws.String("dir/.pulumi/") }), false, ""},
		"ours":           {"dir/", rule(func(r *types.LifecycleRule) { versions(r); r.Filter.Prefix = aws.String("dir/") }), true, ""},
		"another's":      {"dir/", rule(func(r *types.LifecycleRule) { versions(r); r.Filter.Prefix = aws.String("other/") }), false, ""},
		"tagged only":    {"", rule(func(r *types.LifecycleRule) { versions(r); r.Filter.Tag = &types.Tag{} }), false, ""},
		"tagged and in a folder": {"", rule(func(r *types.LifecycleRule) {
			versions(r)
			r.Filter = &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: aws.String(""), Tags: []types.Tag{{}}}}
		}), false, ""},
		"eats the state":      {"", rule(expires), false, "r"},
		"eats the journal":    {"", rule(func(r *types.LifecycleRule) { expires(r); r.Filter.Prefix = aws.String(".rotation/stripe/") }), false, "r"},
		"eats another folder": {"", rule(func(r *types.LifecycleRule) { expires(r); r.Filter.Prefix = aws.String("logs/") }), false, ""},
		"eats delete markers": {"", rule(func(r *types.LifecycleRule) {
			r.Expiration = &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)}
		}), false, ""},
		"eats, but is not enabled":   {"", rule(func(r *types.LifecycleRule) { expires(r); r.Status = types.ExpirationStatusDisabled }), false, ""},
		"eats the state in a folder": {"dir/", rule(func(r *types.LifecycleRule) { expires(r); r.Filter.Prefix = aws.String("dir/.pulumi/stacks/") }), false, "r"},
	} {
		t.Run(name, func(t *testing.T) {
			var s Settings
			s.count(c.rule, c.prefix)
			require.Equal(t, c.versions, s.Versions)
			require.Equal(t, c.deleting, s.Deleting)
		})
	}
}

// Whatever opens the state says what was wrong, in the same words.
func TestRefusalsOfS3SayWhatTheyMean(t *testing.T) {
	for code, want := range map[string]struct {
		status int
		cause  Cause
		says   string
		auth   bool
	}{
		"NoSuchBucket":                 {404, NoBucket, "bucket state does not exist at http://", false},
		"AccessDenied":                 {403, NotAllowed, "may not use bucket state", true},
		"InvalidAccessKeyId":           {403, WrongKey, "does not take the key", true},
		"SignatureDoesNotMatch":        {403, WrongKey, "does not take the key", true},
		"AuthorizationHeaderMalformed": {400, WrongRegion, "region fr-par is not that of bucket state", false},
		"PermanentRedirect":            {301, WrongRegion, "region fr-par", false},
		"RequestTimeTooSkewed":         {403, WrongClock, "clock", false},
	} {
		t.Run(code, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(want.status)
				_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>The canonical request was</Message></Error>"))
			}))
			defer server.Close()
			address := "s3://state?region=fr-par&use_path_style=true&endpoint=" + server.URL
			env := map[string]secrets.Value{accessKey: secrets.NewValue([]byte("SCWGIVEN")), secretKey: secrets.NewValue([]byte("given-secret"))}

			b, err := Open(t.Context(), address, env, nil)
			require.NoError(t, err)
			defer func() { require.NoError(t, b.Close()) }()
			_, listed := Stacks(t.Context(), b, "shop")
			settings, err := OpenBucket(address, env, nil)
			require.NoError(t, err)
			was, looked := settings.Look(t.Context())
			if want.cause == NoBucket {
				require.NoError(t, looked, "one that is not there can be made")
				require.False(t, was.Exists)
				looked = listed
			}
			for _, err := range []error{listed, looked} {
				require.Equal(t, want.cause, CauseOf(err), "%v", err)
				require.ErrorContains(t, err, want.says)
				require.ErrorContains(t, err, code)
				require.Equal(t, want.auth, strings.Contains(err.Error(), ErrAuth.Error()))
				require.NotContains(t, err.Error(), "canonical")
				require.NotContains(t, err.Error(), "given-secret")
			}
		})
	}
}

func TestUnreachableS3IsNamed(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	b, err := OpenBucket("s3://state?region=fr-par&endpoint="+server.URL+"&use_path_style=true",
		map[string]secrets.Value{accessKey: secrets.NewValue([]byte("a")), secretKey: secrets.NewValue([]byte("b"))}, nil)
	require.NoError(t, err)
	_, err = b.Look(t.Context())
	require.Equal(t, Unreachable, CauseOf(err))
	require.ErrorContains(t, err, server.URL+" cannot be reached: connect: connection refused")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Look(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, CauseOf(err), "somebody pressed Ctrl-C")
}
