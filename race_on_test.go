//go:build race

package memberlist

// raceDetector says whether the tests run under the race detector.
const raceDetector = true
