package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"github.com/stretchr/testify/require"
)

// Nothing happens before memory is protected: what runs earlier, a package's init
// aside, could start a child that dumps.
func TestMemoryIsProtectedFirst(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, 0)
	require.NoError(t, err)
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Name.Name != "main" {
			continue
		}
		call, ok := f.Body.List[0].(*ast.ExprStmt)
		require.True(t, ok)
		called, ok := call.X.(*ast.CallExpr).Fun.(*ast.SelectorExpr)
		require.True(t, ok)
		require.Equal(t, "protect.Memory", called.X.(*ast.Ident).Name+"."+called.Sel.Name)
		return
	}
	require.FailNow(t, "there is no main")
}
