package stacks

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// actionsSecret registers one secret of GitHub Actions, by its type token: the
// provider has no SDK for Go as a module. RetainOnDelete keeps the secret alive
// when it leaves the catalog.
func actionsSecret(ctx *pulumi.Context, ref Ref) error {
	text, err := value(ctx, ref)
	if err != nil {
		return err
	}
	inputs := pulumi.Map{"secretName": pulumi.String(ref.Name), "value": text}
	var token string
	switch h := ref.Place; h.Kind {
	case hosted.Organization:
		token, inputs["organization"] = "actionsOrganizationSecret:ActionsOrganizationSecret", pulumi.String(h.Name)
	case hosted.Environment:
		token, inputs["environment"] = "actionsEnvironmentSecret:ActionsEnvironmentSecret", pulumi.String(h.Name)
		inputs["repository"] = pulumi.String(h.Scope)
	default:
		token, inputs["repository"] = "actionsSecret:ActionsSecret", pulumi.String(h.Name)
	}
	name, _ := ref.Resource()
	err = ctx.RegisterResource("github:index/"+token, name, inputs, &pulumi.CustomResourceState{},
		pulumi.RetainOnDelete(true), pulumi.AdditionalSecretOutputs([]string{"value"}))
	if err != nil {
		return fmt.Errorf("declaring secret %s of %s: %w", ref.Name, ref.Place, err)
	}
	return nil
}
