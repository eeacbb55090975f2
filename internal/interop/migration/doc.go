// Package migration holds tests with one process a member. One replaces a running cluster of the reference by one of this
// library, process by process, and back. Another runs both on a network of the kernel's, with loss, a partition and
// processes that are stopped. The agent in its folder is one program, built with either library: what it calls is in
// library_ours.go and library_theirs.go, and the rest is the same.
package migration
