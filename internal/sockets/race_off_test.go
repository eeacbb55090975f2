//go:build !race

package sockets

// raceDetector says whether the tests run under the race detector.
const raceDetector = false
