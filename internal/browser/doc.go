// Package browser tests the status page in a real browser: Debian's chromium, headless. It is a module of its own, so that
// nothing else depends on what drives it. Without a browser its tests are skipped.
//
//	go test -v .                                  in the module's folder
//	SCREENSHOTS=/tmp/shots go test -v .           writes the pages at both widths, light and dark
package browser
