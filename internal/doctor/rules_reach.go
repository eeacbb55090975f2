package doctor

import (
	"errors"
	"fmt"
	"slices"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/printable"
)

func findUDP(s *survey) (found []Finding) {
	for _, m := range s.subjects {
		if m.packets.err != nil && m.stream.ok() {
			found = append(found, Finding{Title: fmt.Sprintf("%v answers streams and no packets", m),
				Details: []string{"packets: " + printable.Text(m.packets.err.Error())}})
		}
		for _, id := range m.failed {
			if other := s.subjects[id]; id < s.ids[m.identity] && slices.Contains(other.failed, s.ids[m.identity]) {
				continue // the other one has said so
			}
			found = append(found, Finding{Title: fmt.Sprintf("packets between %v and %v are lost", m, s.subjects[id]),
				Details: []string{"both answer packets from here, and no ack comes back to the first from the second"}})
		}
	}
	return found
}

func findTCP(s *survey) (found []Finding) {
	for _, m := range s.subjects {
		if m.packets.ok() && m.stream.err != nil && m.refused() == nil {
			found = append(found, Finding{Title: fmt.Sprintf("%v answers packets and no streams", m),
				Details: []string{"stream: " + printable.Text(m.stream.err.Error())}})
		}
	}
	return found
}

func findMTU(s *survey) (found []Finding) {
	for _, m := range s.subjects {
		if m.large.made && m.large.err != nil {
			found = append(found, Finding{
				Title: fmt.Sprintf("%v gets no packets of %d bytes", m, s.options.PacketSize),
				Details: []string{fmt.Sprintf("small packets are acked, none of %s of %d bytes was",
					count(tries, "packet"), s.options.PacketSize)}})
		}
	}
	return found
}

func findUnreachable(s *survey) (found []Finding) {
	for _, m := range s.subjects {
		if m.known && m.asked && !m.answers() && !m.replaced && m.refused() == nil {
			f := Finding{Title: fmt.Sprintf("%v does not answer", m)}
			if m.packets.made {
				f.Details = append(f.Details, "packets: "+printable.Text(m.packets.err.Error()))
			}
			f.Details = append(f.Details, "stream: "+printable.Text(m.stream.err.Error()))
			found = append(found, f)
		}
	}
	return found
}

func findRefusals(s *survey) (found []Finding) {
	for _, m := range s.subjects {
		reason := m.refused()
		if reason == nil {
			continue
		}
		title := "%v has another label or key"
		switch {
		case errors.Is(reason, memberlist.ErrLabelMismatch):
			title = "%v has another label"
		case errors.Is(reason, memberlist.ErrNoAnswer) && m.packets.ok():
			continue // it has the label and the key, and too many streams
		case !errors.Is(reason, memberlist.ErrNoAnswer):
			title = "%v has another key"
		}
		found = append(found, Finding{Title: fmt.Sprintf(title, m), Details: []string{printable.Text(m.viewErr.Error())}})
	}
	return found
}
