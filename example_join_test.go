package memberlist_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/e3431adc/memberlist"
)

// A member joins through any one of its seeds, within five seconds, and looks at what came of each.
func ExampleMemberlist_JoinContext() {
	first, err := memberlist.Create(quietConfig("first"))
	if err != nil {
		log.Fatal(err)
	}
	defer first.Shutdown()
	second, err := memberlist.Create(quietConfig("second"))
	if err != nil {
		log.Fatal(err)
	}
	defer second.Shutdown()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	result, err := second.JoinContext(ctx, memberlist.JoinRequest{
		Seeds:  []string{"", second.LocalNode().Address(), first.LocalNode().Address()},
		Enough: 1,
	})
	if err != nil {
		log.Fatal(err) // of no seed came anything
	}
	fmt.Println("joined:", result.Joined)
	for _, attempt := range result.Attempts {
		switch {
		case errors.Is(attempt.Err, memberlist.ErrInvalidAddress):
			fmt.Printf("%q is no address\n", attempt.Seed)
		case errors.Is(attempt.Err, memberlist.ErrOwnAddress):
			fmt.Println("a seed is this member itself")
		case attempt.Err == nil:
			fmt.Println("a seed answered")
		}
	}
	// Output:
	// joined: 1
	// "" is no address
	// a seed is this member itself
	// a seed answered
}
