//go:build !linux

package memberlist

// newAlarmTimer returns nil: there is only time.AfterFunc.
func newAlarmTimer(func()) alarmTimer { return nil }
