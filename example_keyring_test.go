package memberlist_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"

	"github.com/e3431adc/memberlist"
)

// The key of a running cluster is changed in three rounds. Each must have reached every member before the next
// begins: at any moment, every member can decrypt the packets of every other.
func Example_keyRotation() {
	oldKey := bytes.Repeat([]byte{1}, 32)
	newKey := bytes.Repeat([]byte{2}, 32)

	// Each member was created with its own keyring in Config.Keyring.
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

// The old key can be removed when it is not received any more. Until then its usage shows the sender.
func ExampleKeyring_Usage() {
	oldKey := bytes.Repeat([]byte{1}, 32)
	newKey := bytes.Repeat([]byte{2}, 32)
	ring, err := memberlist.NewKeyring(nil, newKey)
	if err != nil {
		log.Fatal(err)
	}
	if err := ring.AddDecryptOnlyKey(oldKey); err != nil { // UseKey refuses it from now on
		log.Fatal(err)
	}
	fmt.Println(ring.UseKey(oldKey))

	for _, use := range ring.Usage() {
		switch {
		case use.Primary:
		case use.LastHeard.IsZero():
			fmt.Println("key", use.Fingerprint, "was never heard")
		default:
			fmt.Println("key", use.Fingerprint, "was last heard from", use.LastFrom, "at", use.LastHeard)
		}
	}
	// Output:
	// requested key is for decryption only
	// key bb8be690ecafabfd was never heard
}

// A cluster gets another label in three rounds of restarts. In the middle of them, members with the old label and with the
// new one are in one cluster.
func ExampleConfig_acceptLabels() {
	config := quietConfig("not restarted yet")
	config.Label, config.AcceptLabels = "red", []string{"blue"}
	first, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	defer first.Shutdown()

	config = quietConfig("restarted")
	config.Label, config.AcceptLabels = "blue", []string{"red"}
	second, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	defer second.Shutdown()
	if _, err := second.Join([]string{first.LocalNode().Address()}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("members:", second.NumMembers())

	config = quietConfig("stranger")
	config.Label = "green"
	third, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	defer third.Shutdown()
	_, err = third.Join([]string{first.LocalNode().Address()})
	fmt.Println("rejected:", errors.Is(err, memberlist.ErrJoinRejected))
	fmt.Println("for its label:", errors.Is(err, memberlist.ErrLabelMismatch))
	// Output:
	// members: 2
	// rejected: true
	// for its label: true
}
