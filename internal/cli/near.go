package cli

import (
	"fmt"

	"github.com/sanmarcsoft/secret-rotation/internal/near"
)

// notFound is the message about a name that is not among known, with the one
// that was probably meant, if any is near.
func notFound(kind, name string, known []string) (text, meant string) {
	text = fmt.Sprintf("there is no %s %q", kind, name)
	if meant = near.Nearest(name, known); meant != "" {
		text += fmt.Sprintf("; did you mean %s?", meant)
	}
	return text, meant
}
