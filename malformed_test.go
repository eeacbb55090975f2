package memberlist

import (
	"bytes"
)

var attackKey = bytes.Repeat([]byte{7}, 32)

func encrypted(c *Config) { c.SecretKey = attackKey }
