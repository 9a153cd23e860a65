package stacks

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumiverse/pulumi-scaleway/sdk/go/scaleway/containers"

	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// scalewayVersion is written into the state: the SDK may name a development
// version of itself.
const scalewayVersion = "1.54.0"

// variables registers the secret variables of one container or namespace, all
// that the catalog knows, as one resource: the API replaces them as a whole.
//
// The holder exists and belongs to somebody else: nothing but its secret
// variables is declared, and RetainOnDelete keeps it alive when it leaves the
// catalog.
func variables(ctx *pulumi.Context, h hosted.Holder, refs []Ref) error {
	values, name := pulumi.StringMap{}, ""
	for _, ref := range refs {
		if ref.Place != h {
			continue
		}
		v, err := value(ctx, ref)
		if err != nil {
			return err
		}
		values[ref.Name] = v
		name, _ = ref.Resource()
	}
	options := []pulumi.ResourceOption{pulumi.RetainOnDelete(true), pulumi.Version(scalewayVersion)}
	var err error
	if h.Kind == hosted.Container {
		region, namespace, _ := strings.Cut(h.Scope, "/")
		_, err = containers.NewContainer(ctx, name, &containers.ContainerArgs{
			Region: pulumi.String(region), NamespaceId: pulumi.String(namespace), Name: pulumi.String(h.Name),
			SecretEnvironmentVariables: values,
		}, options...)
	} else {
		_, err = containers.NewNamespace(ctx, name, &containers.NamespaceArgs{
			Region: pulumi.String(h.Scope), Name: pulumi.String(h.Name), SecretEnvironmentVariables: values,
		}, options...)
	}
	if err != nil {
		return fmt.Errorf("declaring the secret variables of %s: %w", h, err)
	}
	return nil
}
