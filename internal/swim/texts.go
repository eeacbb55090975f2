package swim

// textSet has strings that are in use, by number. What is queued has but the number: so there are no pointers for the collector
// to follow in a queue that may have a broadcast for each member. One accuses many, mostly one after the other: a string that
// is added again at once takes no memory. The zero value is empty.
type textSet struct {
	all  []text
	free []uint32 // numbers that are not in use
	last uint32   // the number that was given last
}

// text is a string and how many times it is in use.
type text struct {
	string
	uses int
}

// add puts a string into use once more, and returns its number: 0 for the empty one.
func (t *textSet) add(s string) uint32 {
	if s == "" {
		return 0
	}
	if t.last != 0 && t.at(t.last) == s {
		t.all[t.last-1].uses++
		return t.last
	}
	if n := len(t.free); n > 0 {
		t.last, t.free = t.free[n-1], t.free[:n-1]
	} else {
		t.all = append(t.all, text{})
		t.last = uint32(len(t.all))
	}
	t.all[t.last-1] = text{s, 1}
	return t.last
}

// at returns the string of a number that is in use, or 0.
func (t *textSet) at(n uint32) string {
	if n == 0 {
		return ""
	}
	return t.all[n-1].string
}

// drop puts a string out of use once. When it has been for each time that it was added, nothing holds on to it.
func (t *textSet) drop(n uint32) {
	if n == 0 {
		return
	}
	e := &t.all[n-1]
	if e.uses--; e.uses == 0 {
		*e = text{}
		t.free = append(t.free, n)
	}
}
