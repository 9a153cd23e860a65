// Package spectest holds the HTTP of tests against the services' OpenAPI
// descriptions, in both directions: Transport does it for what a client sends
// and receives, Handler for what a server is asked and answers. The
// descriptions are not part of the repository; where their folder is absent,
// both wrappers let everything through unseen.
package spectest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// DirVariable names the environment variable with the folder of the
// descriptions.
const DirVariable = "SPECS_DIR"

// The descriptions, as file names in the folder.
const (
	Cloudflare        = "cloudflare.openapi.json"
	Clerk             = "clerk.bapi.openapi.json"
	ClerkPlatform     = "clerk.platform.openapi.json"
	GitHub            = "github.openapi.json"
	ScalewayContainer = "scaleway.containers.v1.openapi.json"
	ScalewayIAM       = "scaleway.iam.openapi.json"
	ScalewayRegistry  = "scaleway.registry.openapi.json"
	Stripe            = "stripe.openapi.json"
)

// T is the part of testing.TB that a violation is reported to. Errorf may be
// called from any goroutine.
type T interface {
	Helper()
	Errorf(format string, args ...any)
}

// Find returns the folder of the descriptions: $SPECS_DIR, else
// ../shared/specs beside the repository. ok is false where there is none; a
// SPECS_DIR that names no folder is returned as it is, so that using it fails.
func Find() (dir string, ok bool) {
	if set := os.Getenv(DirVariable); set != "" {
		return set, true
	}
	_, here, _, known := runtime.Caller(0)
	if !known {
		return "", false
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(here)))
	dir = filepath.Join(filepath.Dir(root), "shared", "specs")
	info, err := os.Stat(dir)
	return dir, err == nil && info.IsDir()
}

// spec is one loaded description.
type spec struct {
	file   string
	doc    *openapi3.T
	router routers.Router
}

// load reads the descriptions of those names from the folder.
func load(dir string, files []string) ([]*spec, error) {
	specs := make([]*spec, 0, len(files))
	for _, file := range files {
		doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(dir, file))
		if err != nil {
			return nil, fmt.Errorf("reading description %s: %w", file, err)
		}
		// The address is the test's own, so paths are matched, not servers.
		doc.Servers = nil
		mend(doc)
		router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation())
		if err != nil {
			return nil, fmt.Errorf("routing description %s: %w", file, err)
		}
		specs = append(specs, &spec{file: file, doc: doc, router: router})
	}
	return specs, nil
}

// options are the same in both directions.
func options() *openapi3filter.Options {
	return &openapi3filter.Options{
		AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
		IncludeResponseStatus: true,
		SkipSettingDefaults:   true,
	}
}

// describe says what a schema does not like, without the value.
func describe(e *openapi3.SchemaError) string {
	text := fmt.Sprintf("at %v: %s", e.JSONPointer(), e.SchemaField)
	var inner *openapi3.SchemaError
	if errors.As(e.Origin, &inner) {
		text += ": " + describe(inner)
	}
	return text
}

// explain reduces an error of the validator to a text without values; its own
// text quotes what it does not like.
func explain(err error) string {
	var schema *openapi3.SchemaError
	if errors.As(err, &schema) {
		return describe(schema)
	}
	var request *openapi3filter.RequestError
	if errors.As(err, &request) {
		if request.Parameter != nil {
			return fmt.Sprintf("parameter %q in %s: %s", request.Parameter.Name, request.Parameter.In, request.Reason)
		}
		return "request body: " + request.Reason
	}
	var response *openapi3filter.ResponseError
	if errors.As(err, &response) {
		return "answer: " + response.Reason
	}
	return fmt.Sprintf("%T", err)
}
