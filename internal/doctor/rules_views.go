package doctor

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/e3431adc/memberlist/internal/printable"
)

// inParts returns the parts of the cluster: the members that answered, by whether they see each other, directly or through
// others. The largest is the first.
func (s *survey) inParts() [][]int {
	if s.parts != nil {
		return s.parts
	}
	var unvisited []int
	for id, m := range s.subjects {
		if m.view != nil {
			unvisited = append(unvisited, id)
		}
	}
	for len(unvisited) > 0 {
		part := unvisited[:1:1]
		unvisited = unvisited[1:]
		for i := 0; i < len(part); i++ {
			from, rest := s.subjects[part[i]], unvisited[:0:0]
			for _, id := range unvisited {
				if from.view.sees(id) && s.subjects[id].view.sees(part[i]) {
					part = append(part, id)
				} else {
					rest = append(rest, id)
				}
			}
			unvisited = rest
		}
		s.parts = append(s.parts, part)
	}
	slices.SortStableFunc(s.parts, func(a, b []int) int { return cmp.Compare(len(b), len(a)) })
	return s.parts
}

// names returns the names of subjects in order.
func (s *survey) names(ids []int) []string {
	var names []string
	for _, id := range ids {
		names = append(names, printable.Name(s.subjects[id].name))
	}
	slices.Sort(names)
	return names
}

func findSplit(s *survey) []Finding {
	parts := s.inParts()
	if len(parts) < 2 {
		return nil
	}
	f := Finding{Title: fmt.Sprintf("the cluster is in %d parts that do not see each other", len(parts))}
	for i, part := range parts {
		f.Details = append(f.Details, fmt.Sprintf("part %d, %s: %s", i+1, count(len(part), "member"), list(s.names(part))))
	}
	f.Details = some(f.Details)
	return []Finding{f}
}

func findPartlySeen(s *survey) (found []Finding) {
	for id, m := range s.subjects {
		if !m.known {
			continue
		}
		var details []string
		for _, part := range s.inParts() {
			var see, miss []int
			for _, other := range part {
				if s.subjects[other].view.sees(id) {
					see = append(see, other)
				} else {
					miss = append(miss, other)
				}
			}
			if len(see) > 0 && len(miss) > 0 {
				details = append(details, "seen by "+list(s.names(see)), "not seen by "+list(s.names(miss)))
			}
		}
		if details != nil {
			found = append(found, Finding{Title: fmt.Sprintf("%v is seen only by some", m), Details: some(details)})
		}
	}
	return found
}

// holders returns the members with a subject in a state.
func (s *survey) holders(id int, in state) (ids []int) {
	for other, m := range s.subjects {
		if m.view != nil && m.view.of(id) == in {
			ids = append(ids, other)
		}
	}
	return ids
}

func findDeadAnswers(s *survey) (found []Finding) {
	for id, m := range s.subjects {
		if by := s.holders(id, stateDead); len(by) > 0 && m.answers() {
			found = append(found, Finding{Title: fmt.Sprintf("%v was declared dead and answers", m),
				Details: []string{"dead to " + list(s.names(by))}})
		}
	}
	return found
}

func findDead(s *survey) (found []Finding) {
	for id, m := range s.subjects {
		if by := s.holders(id, stateDead); len(by) > 0 && !m.answers() {
			found = append(found, Finding{Title: fmt.Sprintf("%v is dead and still told of", m),
				Details: []string{"by " + list(s.names(by))}})
		}
	}
	return found
}
