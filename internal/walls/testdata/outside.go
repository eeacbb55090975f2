// Package outside does all that walls can forbid.
package outside

import (
	"fmt"
	other "io"
	"time"
)

var state int

func init() { state++ }

func f() other.Reader {
	fmt.Print(time.Now())
	go panic(make(chan int))
	return nil
}
