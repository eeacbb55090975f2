// Package attacks measures what an attacker can do to live members over the sockets of this machine. Each attack has figures, each with
// a bound that it should keep to. The library that is attacked is behind a small interface, so that the same attacks run against the
// reference too.
//
// Attack traffic goes to loopback addresses only and is bounded in rate, count and time. The sources are several addresses of
// 127.0.0.0/8, and memory is read from /proc: both need Linux.
package attacks
