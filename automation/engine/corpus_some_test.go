//go:build !slow

package engine_test

// corpus are the files that each want something else of a reader; with the tag
// slow it is all of them.
var corpus = []string{"comments-everywhere", "merge-keys", "nested-*", "block-*", "byte-order-mark-crlf", "json-like", "value-is-an-alias", "document-*"}
