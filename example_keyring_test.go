package memberlist_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/e3431adc/memberlist"
)

// The key of a running cluster is changed in three rounds. Each must have reached every member before the next begins:
// at any moment, every member can read what any other one sends.
func Example_keyRotation() {
	oldKey := bytes.Repeat([]byte{1}, 32)
	newKey := bytes.Repeat([]byte{2}, 32)

	// Each member was created with a ring of its own in Config.Keyring.
	var rings []*memberlist.Keyring
	for range 3 {
		ring, err := memberlist.NewKeyring(nil, oldKey)
		if err != nil {
			log.Fatal(err)
		}
		rings = append(rings, ring)
	}

	everywhere := func(round string, change func(*memberlist.Keyring) error) {
		for _, ring := range rings {
			if err := change(ring); err != nil {
				log.Fatal(err)
			}
		}
		fmt.Printf("%s: %d keys, sending with key %d\n", round, len(rings[0].GetKeys()), rings[0].GetPrimaryKey()[0])
	}
	everywhere("add", func(k *memberlist.Keyring) error { return k.AddKey(newKey) })
	everywhere("use", func(k *memberlist.Keyring) error { return k.UseKey(newKey) })
	everywhere("remove", func(k *memberlist.Keyring) error { return k.RemoveKey(oldKey) })

	// Output:
	// add: 2 keys, sending with key 1
	// use: 2 keys, sending with key 2
	// remove: 1 keys, sending with key 2
}
