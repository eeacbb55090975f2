// Package migration holds a test that replaces a running cluster of the reference by one of this library, process by process,
// and back. The agent in its folder is one program, built with either library: what it calls is in library_ours.go and
// library_theirs.go, and the rest is the same.
package migration
