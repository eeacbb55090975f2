package memberlist_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/e3431adc/memberlist"
)

// A member leaves before its process ends, so that the others record a leave and no failure. It goes on answering until
// Shutdown, while the news travels.
func ExampleMemberlist_LeaveContext() {
	stays, err := memberlist.Create(quietConfig("stays"))
	if err != nil {
		log.Fatal(err)
	}
	defer stays.Shutdown()
	leaves, err := memberlist.Create(quietConfig("leaves"))
	if err != nil {
		log.Fatal(err)
	}
	defer leaves.Shutdown()
	if _, err := leaves.Join([]string{stays.LocalNode().Address()}); err != nil {
		log.Fatal(err)
	}
	events := stays.Subscribe(8)
	defer events.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := leaves.LeaveContext(ctx); err != nil {
		log.Fatal(err) // as ErrLeaveTimeout: not all may have heard of it
	}
	for event := range events.Events() {
		if event.Kind == memberlist.EventLeave || event.Kind == memberlist.EventFail {
			fmt.Println(event.Kind, event.Member.Name)
			break
		}
	}
	// Output: leave leaves
}
