package spectest

import (
	"sort"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// mend repairs what makes a description refuse its own service's answers.
func mend(doc *openapi3.T) {
	for _, item := range doc.Paths.Map() {
		typePathParameters(item.Parameters)
		for _, op := range item.Operations() {
			typePathParameters(op.Parameters)
			op.Parameters = withoutNested(op.Parameters)
			separateFailures(op)
		}
	}
	for _, item := range doc.Paths.Map() {
		lendAnswers(doc, item)
	}
}

// typePathParameters makes a path parameter without a type a string; the
// validator takes it for empty otherwise.
func typePathParameters(parameters openapi3.Parameters) {
	for _, p := range parameters {
		if p.Value != nil && p.Value.In == openapi3.ParameterInPath && p.Value.Schema != nil && p.Value.Schema.Value.Type == nil {
			p.Value.Schema = openapi3.NewStringSchema().NewRef()
		}
	}
}

// withoutNested drops optional query parameters that are lists in brackets
// (expand[]=…): the validator knows that style for objects alone, and complains
// where the parameter is not given.
func withoutNested(parameters openapi3.Parameters) openapi3.Parameters {
	var out openapi3.Parameters
	for _, p := range parameters {
		v := p.Value
		list := v != nil && v.Schema != nil && v.Schema.Value.Type.Is("array")
		if list && v.In == openapi3.ParameterInQuery && v.Style == openapi3.SerializationDeepObject && !v.Required {
			continue
		}
		out = append(out, p)
	}
	return out
}

// separateFailures frees a failure from the form of a success: Cloudflare asks
// for both at some operations, so for "success" to be true and false.
func separateFailures(op *openapi3.Operation) {
	if op.Responses == nil {
		return
	}
	for status, response := range op.Responses.Map() {
		if !strings.HasPrefix(status, "4") || response.Value == nil {
			continue
		}
		for _, media := range response.Value.Content {
			if media.Schema == nil || media.Schema.Value == nil {
				continue
			}
			for _, part := range media.Schema.Value.AllOf {
				if strings.HasSuffix(part.Ref, "api-response-common-failure") {
					media.Schema = part
				}
			}
		}
	}
}

// lendAnswers gives every operation the error answers that only its siblings
// document: a service has one form of 401, but some descriptions name it at
// some operations only.
func lendAnswers(doc *openapi3.T, item *openapi3.PathItem) {
	paths := doc.Paths.Keys()
	sort.Strings(paths)
	for _, op := range item.Operations() {
		if op.Responses == nil || op.Responses.Default() != nil {
			continue
		}
		for _, status := range []string{"400", "401", "403", "404", "422", "429"} {
			if op.Responses.Value(status) != nil || op.Responses.Value("4XX") != nil {
				continue
			}
			if found := firstAnswer(doc, paths, status); found != nil {
				op.Responses.Set(status, found)
			}
		}
	}
}

func firstAnswer(doc *openapi3.T, paths []string, status string) *openapi3.ResponseRef {
	for _, path := range paths {
		operations := doc.Paths.Value(path).Operations()
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if op := operations[method]; op != nil && op.Responses != nil {
				if found := op.Responses.Value(status); found != nil {
					return found
				}
			}
		}
	}
	return nil
}
