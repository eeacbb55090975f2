package memberlist

func seedsAt(addrs ...int) (seeds []string) {
	for _, i := range addrs {
		seeds = append(seeds, simAddr(i).String())
	}
	return seeds
}
