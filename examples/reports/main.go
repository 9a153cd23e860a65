// Program reports is an existing Pulumi project in Go, as a company has it
// before secret rotation comes: it reads two secrets from its config.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// mailer is what sends the reports.
type mailer struct {
	pulumi.ResourceState

	Login pulumi.StringOutput `pulumi:"login"`
}

func newMailer(ctx *pulumi.Context, name string, key pulumi.StringOutput, opts ...pulumi.ResourceOption) (*mailer, error) {
	m := &mailer{}
	if err := ctx.RegisterComponentResourceV2("reports:index:Mailer", name, pulumi.Map{"key": key}, m, opts...); err != nil {
		return nil, err
	}
	m.Login = pulumi.Sprintf("reports:%s", key)
	return m, ctx.RegisterResourceOutputs(m, pulumi.Map{"login": m.Login})
}

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		conf := config.New(ctx, "")
		m, err := newMailer(ctx, "mailer", conf.RequireSecret("clerk-secret-key"))
		if err != nil {
			return err
		}
		ctx.Export("login", m.Login)
		ctx.Export("payments", conf.RequireSecret("stripe-secret-key"))
		return nil
	})
}
