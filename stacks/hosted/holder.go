package hosted

import (
	"context"
	"fmt"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Kind says what holds secrets.
type Kind string

// The kinds of holder.
const (
	Worker    Kind = "Worker"
	Container Kind = "container"
	Namespace Kind = "namespace"
	// The holders of GitHub Actions secrets.
	Repository   Kind = "repository"
	Environment  Kind = "environment"
	Organization Kind = "organization"
)

// Holder is one thing at a service that holds secrets under names.
type Holder struct {
	Kind Kind
	// Scope is what the name is unique in: a Worker's account, a container's
	// REGION/NAMESPACE, a namespace's region, an environment's repository.
	Scope string
	Name  string
}

// String is how messages call it: Worker badges, container payments.
func (h Holder) String() string {
	if h.Kind == Environment {
		return string(h.Kind) + " " + h.Name + " of " + h.Scope
	}
	return string(h.Kind) + " " + h.Name
}

// Store is the holders' side: the service that lists and writes their secrets.
type Store interface {
	// Names lists the names of the holder's secrets.
	Names(ctx context.Context, h Holder) ([]string, error)
	// Write sets these secrets, keeps all others, and returns once the holder
	// runs with them. Its error must not hold a value; it is shown.
	Write(ctx context.Context, h Holder, set map[string]secrets.Value) error
}

// Writer is the Store of Workers.
type Writer interface {
	// Names lists the names of the Worker's secrets.
	Names(ctx context.Context, account, worker string) ([]string, error)
	// Bulk writes the set in one request, as one version of the Worker. Its
	// error must not hold a value; it is shown.
	Bulk(ctx context.Context, account, worker string, set map[string]secrets.Value) error
}

// workers is a Writer as a Store.
type workers struct{ Writer }

func (w workers) Names(ctx context.Context, h Holder) ([]string, error) {
	return w.Writer.Names(ctx, h.Scope, h.Name)
}

func (w workers) Write(ctx context.Context, h Holder, set map[string]secrets.Value) error {
	return w.Bulk(ctx, h.Scope, h.Name, set)
}

// Fits says why a holder of this kind would refuse the value under the name;
// nil if it takes it.
func Fits(k Kind, name string, v secrets.Value) error {
	for _, d := range dialects() {
		for _, r := range d.resources {
			if r.holds != k {
				continue
			}
			if why := r.refuses(name, v); why != "" {
				return fmt.Errorf("%s %s", name, why)
			}
		}
	}
	return nil
}
