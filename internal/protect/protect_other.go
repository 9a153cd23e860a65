//go:build !linux

package protect

func undumpable() {}
