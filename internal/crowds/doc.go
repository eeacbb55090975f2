//go:build unix

// Package crowds runs many members in one process, over the loopback sockets of this machine, and makes the process busy: all join at
// once; it gets a quarter of its time; it is stopped for some seconds. No member fails, so every failure that one declares is false.
// The library is behind a small interface, so that crowds of the reference can be compared.
//
// The time in which all must know all is judged by the CPU time of the process, as a machine that is busy with other work too gives it
// less of that: it may use what two cores have in that time. Failures are judged whatever it gets: on a
// machine that gives next to none, -again runs a crowd again.
package crowds
