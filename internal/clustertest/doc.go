// Package clustertest has the black-box tests of memberlist: whole clusters, seen through the public API and the wire. Nearly
// all of them run in virtual time, over a network in memory that delays, loses and cuts as a test asks; harness_test.go has
// what they share.
package clustertest
