// Package store reads, writes and lists a pass password store the way pass
// does, with the real gpg and git.
//
// What pass does badly when nobody watches it is done differently here:
//
//   - an entry's file is decrypted directly, so a folder never passes for a
//     secret, and gpg's status lines (not its exit code, which is 0 for some
//     damaged files) decide whether it was read whole;
//   - nothing is written in place: an entry is encrypted into a hidden file
//     beside it, read back and compared, and renamed; several changes are one
//     commit, or nothing;
//   - git's answers are checked: HEAD must hold exactly what was written, and a
//     push counts when the remote says so.
//
// Every child process gets an allow-listed environment, a time limit and a
// process group of its own. Values go to gpg over stdin and come back over
// stdout; no plaintext is in an argument, an environment or a file.
package store
