//go:build slow

package engine_test

var corpus = []string{"*"}
