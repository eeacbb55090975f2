package statuspage

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/printable"
)

const (
	// maxEvents is the number of events that are kept.
	maxEvents = 200

	// subscriptionBuffer is the number of events that may wait.
	subscriptionBuffer = 1024
)

// history is the last events.
type history struct {
	mu      sync.Mutex
	events  []Event       // the oldest first
	changed chan struct{} // closed and replaced at each event
	closed  bool          // the member was shut down
}

// newHistory subscribes to the events of a member. Its goroutine ends when that is shut down.
func newHistory(list *memberlist.Memberlist) *history {
	h := &history{changed: make(chan struct{})}
	sub := list.Subscribe(subscriptionBuffer)
	go func() {
		for e := range sub.Events() {
			h.add(newEvent(&e))
		}
		h.close()
	}()
	return h
}

func (h *history) add(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) == maxEvents {
		h.events = slices.Delete(h.events, 0, 1)
	}
	h.events = append(h.events, e)
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *history) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	close(h.changed)
	h.changed = make(chan struct{})
}

// newest returns the events, the newest first.
func (h *history) newest() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	events := append([]Event{}, h.events...)
	slices.Reverse(events)
	return events
}

// next returns a channel that is closed at the next event, and whether there can be one.
func (h *history) next() (changed <-chan struct{}, open bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed, !h.closed
}

// newEvent returns an event as it is shown.
func newEvent(e *memberlist.Event) Event {
	shown := Event{Time: e.Time, Kind: e.Kind.String(), Name: e.Member.Name, Address: e.Member.Address()}
	switch {
	case e.Evidence != nil:
		shown.Evidence = newEvidence(e.Evidence)
		shown.Details = append(shown.Details, shown.Evidence.Summary)
	case e.By != "":
		shown.Details = append(shown.Details, "reported by "+printable.Name(e.By))
	}
	if e.Other != nil {
		shown.Details = append(shown.Details, "claimed at "+e.Other.Address())
	}
	if e.Kind == memberlist.EventReachability {
		shown.Details = append(shown.Details, fmt.Sprintf("%s; %s", passing("packets", e.Member.Packets), passing("streams", e.Member.Streams)))
	}
	if e.Lost > 0 {
		shown.Details = append(shown.Details, fmt.Sprintf("%d earlier events were lost", e.Lost))
	}
	return shown
}

func passing(what string, p memberlist.PathStats) string {
	if p.Failing() {
		return what + " fail"
	}
	return what + " pass"
}

const (
	// followEvery is the shortest time between two messages to a browser that follows.
	followEvery = time.Second

	// maxFollowers is the number of browsers that can follow at once.
	maxFollowers = 64

	// followIdle is the time after which a browser is sent a message though nothing has happened, as times and rates change.
	followIdle = 10 * time.Second
)

// follow sends a server-sent event when something has changed, until the client goes or the member is shut down.
func (h *handler) follow(w http.ResponseWriter, r *http.Request) {
	defer h.followers.Add(-1)
	if h.followers.Add(1) > maxFollowers {
		http.Error(w, "too many browsers follow", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	controller := http.NewResponseController(w)
	_ = controller.SetWriteDeadline(time.Time{}) // if the server has one; not every writer can
	send := func() bool {
		_, err := strings.NewReader("data: changed\n\n").WriteTo(w)
		return err == nil && controller.Flush() == nil
	}
	for changed, open := h.history.next(); send() && open; changed, open = h.history.next() {
		if !sleep(r, followEvery) {
			return
		}
		idle := time.NewTimer(followIdle)
		select {
		case <-changed:
		case <-idle.C:
		case <-r.Context().Done():
		}
		idle.Stop()
		if r.Context().Err() != nil {
			return
		}
	}
}

// sleep waits, and returns false if the client goes meanwhile.
func sleep(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
