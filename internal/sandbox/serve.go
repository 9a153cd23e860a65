package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// WorldJSON is the truth, values included, as one JSON document.
func (s *Sandbox) WorldJSON() ([]byte, error) {
	truth, err := s.world.Truth()
	if err != nil {
		return nil, fmt.Errorf("printing the world: %w", err)
	}
	out, err := json.MarshalIndent(truth, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("printing the world: %w", err)
	}
	return append(out, '\n'), nil
}

// Requests is the log of API requests, one JSON object a line, oldest first.
func (s *Sandbox) Requests() ([]byte, error) {
	raw, err := os.ReadFile(s.world.RequestsPath())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading the request log: %w", err)
	}
	return raw, nil
}

// FaultUsage describes the kinds of fault, a line each.
func FaultUsage() []string {
	return []string{
		"clear: no faults any more",
		"delay SERVICE METHOD PATH MILLISECONDS [TIMES]: the answer comes late",
		"drop SERVICE METHOD PATH [TIMES]: the connection is closed before anything is done",
		"lost-answer SERVICE METHOD PATH [TIMES]: it is done, then the connection is closed",
		"status SERVICE METHOD PATH STATUS[:CODE] [TIMES]: refused with that status, in the service's own form",
	}
}

// Fault lets the next requests that fit fail. SERVICE, METHOD and PATH may be *
// for all, PATH may hold more of them; TIMES is 1 if not given, -1 for ever.
func (s *Sandbox) Fault(kind string, args ...string) error {
	if kind == "clear" && len(args) == 0 {
		return s.world.ClearFaults()
	}
	f, err := parseFault(kind, args)
	if err != nil {
		return fmt.Errorf("fault %s: %w; there are:\n%s", kind, err, strings.Join(FaultUsage(), "\n"))
	}
	return s.world.AddFault(f)
}

func parseFault(kind string, args []string) (world.Fault, error) {
	needs := map[string]int{"delay": 4, "drop": 3, "lost-answer": 3, "status": 4}
	least, known := needs[kind]
	if !known || len(args) < least || len(args) > least+1 {
		return world.Fault{}, errors.New("unknown kind or wrong number of arguments")
	}
	f := world.Fault{Service: all(args[0]), Method: all(args[1]), Path: all(args[2]), Times: 1}
	var err error
	if len(args) > least {
		if f.Times, err = strconv.Atoi(args[least]); err != nil || f.Times == 0 {
			return f, fmt.Errorf("TIMES %q is no number other than 0", args[least])
		}
	}
	switch kind {
	case "drop":
		f.Drop = true
	case "lost-answer":
		f.AfterCommit, f.Drop = true, true
	case "delay":
		var ms int64
		if ms, err = strconv.ParseInt(args[3], 10, 64); err != nil || ms <= 0 {
			return f, fmt.Errorf("MILLISECONDS %q is no positive number", args[3])
		}
		f.Delay = world.Millis(ms)
	case "status":
		status, code, _ := strings.Cut(args[3], ":")
		if f.Status, err = strconv.Atoi(status); err != nil {
			return f, fmt.Errorf("STATUS %q is no number", status)
		}
		f.Code = code
	}
	return f, nil
}

func all(pattern string) string {
	if pattern == "*" {
		return ""
	}
	return pattern
}
