package stacks

import (
	"fmt"

	"github.com/pulumi/pulumi-cloudflare/sdk/v5/go/cloudflare"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// workerSecret registers one secret of a Worker as WORKER/NAME.
//
// RetainOnDelete is what keeps the secret alive: the official provider replaces
// the resource when its text changes and then deletes, by the same name, the
// secret that it has just written. DeleteBeforeReplace would leave the Worker
// without it in between. Provider credentials are no inputs: they would stay in
// the state and fail every refresh once they are rotated.
func workerSecret(ctx *pulumi.Context, accountID string, ref Ref) error {
	if _, set := ctx.GetConfig(ctx.Project() + ":" + ref.Key); ref.Optional && !set {
		return nil
	}
	text, err := value(ctx, ref)
	if err != nil {
		return err
	}
	_, err = cloudflare.NewWorkersSecret(ctx, ref.Worker+"/"+ref.Name, &cloudflare.WorkersSecretArgs{
		AccountId:  pulumi.String(accountID),
		ScriptName: pulumi.String(ref.Worker),
		Name:       pulumi.String(ref.Name),
		SecretText: text,
	}, pulumi.RetainOnDelete(true))
	if err != nil {
		return fmt.Errorf("declaring secret %s of Worker %s: %w", ref.Name, ref.Worker, err)
	}
	return nil
}
