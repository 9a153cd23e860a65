package stackfile

import (
	"bytes"
	"slices"
)

// Only reports whether the text now is the text before with nothing done to it
// but what Update does: ciphertexts set under these keys, in any order, and a
// salt line added to a file that had none. The text before is empty where there
// was no file. What cannot be read is somebody else's.
func (f File) Only(before, now []byte, keys []string) bool {
	ours, cipher := map[string]string{}, map[string]string{}
	for _, key := range keys {
		ours[key] = ""
	}
	if _, err := f.asData(now, ours, cipher); err != nil {
		return false
	}
	was, err := f.parse(before)
	if err != nil {
		return false
	}
	is, err := f.parse(now)
	if err != nil {
		return false
	}
	salt := ""
	if was.Salt == "" {
		salt = is.Salt
	}
	edited, err := f.rewrite(before, salt, cipher)
	return err == nil && f.verify(before, now, salt, cipher) == nil && slices.EqualFunc(sortedLines(edited), sortedLines(now), bytes.Equal)
}

// sortedLines: keys that were added by two writes stand in another order than
// those added by one.
func sortedLines(text []byte) [][]byte {
	lines := bytes.Split(text, []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	return lines
}
