package memberlist

// dials is how many streams member i has begun.
func (c *simCluster) dials(i int) int64 {
	return c.members[i].config.Transport.(*simTransport).dials.Load()
}

// inPlace creates a member of a name at the address of member i, beside those of the cluster.
func (c *simCluster) inPlace(i int, name string) *Memberlist {
	c.t.Helper()
	config := c.simConfig(i)
	config.Name = name
	m, err := Create(config)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}
