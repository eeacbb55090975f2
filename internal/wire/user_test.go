package wire

import "testing"

var userHeaderTests = []messageTest{
	{name: "some", m: &UserHeader{UserMsgLen: 70000}, hex: "08 81 aa557365724d73674c656e d200011170"},
	{name: "none", m: &UserHeader{}, hex: "08 81 aa557365724d73674c656e 00"},
	{name: "negative", m: &UserHeader{UserMsgLen: -33}, hex: "08 81 aa557365724d73674c656e d0df"},
}

func TestUserHeader(t *testing.T)      { testMessages(t, userHeaderTests) }
func TestUserHeaderQuick(t *testing.T) { testQuick[UserHeader](t, nil) }
func FuzzUserHeader(f *testing.F) {
	fuzzMessage[UserHeader, refUserHeader](f, userHeaderTests[0].m, userHeaderTests[2].m)
}
