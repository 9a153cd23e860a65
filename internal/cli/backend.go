package cli

import (
	"context"
	"errors"
	"io"
	"strings"

	"gocloud.dev/blob"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// backendLogin tries a Scaleway key at the state backend with one signed
// listing. A file:// backend takes no credential, and so proves none.
func (s *session) backendLogin(ctx context.Context, cred services.Credential) (services.Report, error) {
	if !strings.HasPrefix(s.catalog.State.URL, "s3:") {
		return services.Report{State: services.Unknown, Detail: "the state is in a folder, which takes no credential"}, nil
	}
	url, err := backend.Normalize(s.catalog.State.URL, s.app.env.Dir)
	if err != nil {
		return services.Report{State: services.Unknown}, err
	}
	bucket, err := backend.Open(ctx, url, map[string]secrets.Value{
		"AWS_ACCESS_KEY_ID": cred[accessKey], "AWS_SECRET_ACCESS_KEY": cred[secretKey],
	}, nil)
	if err != nil {
		return services.Report{State: services.Unknown}, err
	}
	defer func() { _ = bucket.Close() }()
	_, err = bucket.List(&blob.ListOptions{Prefix: ".pulumi/"}).Next(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		err = backend.Explain(err)
	}
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return services.Report{State: services.Alive}, nil
	case refused(err):
		return services.Report{State: services.Dead, Detail: backend.ErrAuth.Error()}, nil
	}
	return services.Report{State: services.Unknown, Detail: "the state backend could not be asked"}, err
}

// refused: the server does not know the key. One that lives and may not use the
// bucket is refused too, and is not dead for that.
func refused(err error) bool {
	var answer *backend.S3Error
	return errors.As(err, &answer) && answer.Cause == backend.WrongKey
}
