// Package examples holds two Pulumi projects as a company has them before this
// tool comes: they know nothing of it, and it gives them config secrets and an
// update. The sandbox rolls copies of them out. The third, reports, is in Go and a
// module of its own.
package examples

import "embed"

// Projects are the folders infra and services/stripe-backend/infra.
//
//go:embed infra services
var Projects embed.FS
