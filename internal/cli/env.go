package cli

import (
	"io"
	"os"
	"strings"
)

// Env is the world that a command runs in. Tests give their own.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// In and Err are the files behind Stdin and Stderr where they are files:
	// only a terminal at both ends is asked anything.
	In, Err *os.File
	// Environ is the caller's environment, as os.Environ gives it.
	Environ []string
	// Dir is the working folder.
	Dir string
}

// System is the process's own world.
func System() Env {
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	return Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, In: os.Stdin, Err: os.Stderr, Environ: os.Environ(), Dir: dir}
}

// Get is a variable of the caller's environment.
func (e Env) Get(name string) string {
	for i := len(e.Environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(e.Environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}
