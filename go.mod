module github.com/e3431adc/memberlist

go 1.25.0

require (
	github.com/armon/go-metrics v0.4.1
	github.com/golang/snappy v1.0.0
	github.com/google/btree v1.1.3
	github.com/hashicorp/go-metrics v0.5.4
	github.com/hashicorp/go-msgpack/v2 v2.1.5
	github.com/hashicorp/go-sockaddr v1.0.7
	github.com/miekg/dns v1.1.73
)

require (
	github.com/hashicorp/go-immutable-radix v1.0.0 // indirect
	github.com/hashicorp/golang-lru v0.5.0 // indirect
	golang.org/x/net v0.57.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
)
