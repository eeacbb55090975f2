package recorder

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"
)

// Codec encodes and decodes values of some types with all their fields, exported or not, in an encoding that is made from the types: a
// field that is added to one of them needs no code here. Equal values have equal encodings. It is used by one goroutine.
type Codec struct {
	rules   Rules
	plans   map[reflect.Type]*plan
	targets []*plan // of the pointers that are references, from the largest type to the smallest
	err     error
}

// Rules are what a Codec cannot see in the types.
type Rules struct {
	// References says that pointers are identities: two of them to one value are two of them afterwards, too, and they may point into
	// other values that are encoded. Otherwise a pointer is encoded as what it points to.
	References bool

	// Custom are the encodings of types that are not encoded field by field.
	Custom []Custom

	// Skip names the fields that are left out, and are zero afterwards, by type.
	Skip map[reflect.Type][]string

	// Withheld names the fields of type []byte, in any case, of which an Encoder that withholds has only the length and a checksum.
	Withheld []string
}

// Custom is how a type is encoded: see CustomOf.
type Custom struct {
	typ    reflect.Type
	encode func(*Encoder, unsafe.Pointer)
	decode func(*Decoder, unsafe.Pointer)
}

// CustomOf is an encoding of T, which has at least one byte.
func CustomOf[T any](encode func(*Encoder, *T), decode func(*Decoder, *T)) Custom {
	return Custom{
		typ:    reflect.TypeFor[T](),
		encode: func(e *Encoder, p unsafe.Pointer) { encode(e, (*T)(p)) },
		decode: func(d *Decoder, p unsafe.Pointer) { decode(d, (*T)(p)) },
	}
}

// plan is how to encode a type.
type plan struct {
	typ    reflect.Type
	least  int  // bytes that it is encoded as
	shared bool // references point to values of the type
	queue  int  // the index in Codec.targets
	encode func(*Encoder, unsafe.Pointer)
	decode func(*Decoder, unsafe.Pointer)
}

// ErrType is wrapped by the error of NewCodec.
var ErrType = errors.New("type has no encoding")

// NewCodec returns a Codec for types and all that they consist of. An error wraps ErrType.
func NewCodec(rules Rules, types ...reflect.Type) (*Codec, error) {
	c := &Codec{rules: rules, plans: make(map[reflect.Type]*plan)}
	for _, custom := range append(builtin(), rules.Custom...) {
		c.plans[custom.typ] = &plan{typ: custom.typ, least: 1, encode: custom.encode, decode: custom.decode}
	}
	for _, t := range types {
		c.planOf(t)
	}
	for _, p := range c.plans {
		if p.shared {
			c.targets = append(c.targets, p)
		}
	}
	slices.SortFunc(c.targets, func(a, b *plan) int {
		return cmp.Or(cmp.Compare(b.typ.Size(), a.typ.Size()), strings.Compare(a.typ.String(), b.typ.String()))
	})
	for i, p := range c.targets {
		p.queue = i
	}
	return c, c.err
}

// Fingerprint returns a hash of the encoding: values are decoded by a Codec with the fingerprint of the one that encoded them.
func (c *Codec) Fingerprint() uint64 {
	lines := make([]string, 0, len(c.plans))
	for t := range c.plans {
		line := t.String()
		if t.Kind() == reflect.Struct {
			for i := range t.NumField() {
				line += fmt.Sprintf(" %s %v", t.Field(i).Name, t.Field(i).Type)
			}
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	h := fnv.New64a()
	for _, line := range lines {
		fmt.Fprintln(h, line)
	}
	return h.Sum64()
}

// planOf returns the plan of a type, which is complete when NewCodec returns.
func (c *Codec) planOf(t reflect.Type) *plan {
	if p := c.plans[t]; p != nil {
		return p
	}
	p := &plan{typ: t, least: 1}
	c.plans[t] = p
	switch t.Kind() {
	case reflect.Struct:
		c.planStruct(p)
	case reflect.Array:
		c.planArray(p)
	case reflect.Slice:
		c.planSlice(p)
	case reflect.Map:
		c.planMap(p)
	case reflect.Pointer:
		c.planPointer(p)
	default:
		p.encode, p.decode = scalar(t.Kind())
		if p.encode == nil {
			c.err = fmt.Errorf("%w: %v", ErrType, t)
		}
	}
	return p
}

// field is a field of a struct that is encoded.
type field struct {
	at   uintptr
	plan *plan // which may not be complete before NewCodec returns
}

func (c *Codec) planStruct(p *plan) {
	var fields []field
	p.least = 0
	for i := range p.typ.NumField() {
		f := p.typ.Field(i)
		if slices.Contains(c.rules.Skip[p.typ], f.Name) {
			continue
		}
		part := &plan{typ: f.Type, least: 1, encode: encodeWithheld, decode: decodeWithheld}
		if f.Type != reflect.TypeFor[[]byte]() || !slices.ContainsFunc(c.rules.Withheld, func(name string) bool { return strings.EqualFold(name, f.Name) }) {
			part = c.planOf(f.Type)
		}
		p.least += part.least
		fields = append(fields, field{f.Offset, part})
	}
	p.encode = func(e *Encoder, v unsafe.Pointer) {
		for _, f := range fields {
			f.plan.put(e, unsafe.Add(v, f.at))
		}
	}
	p.decode = func(d *Decoder, v unsafe.Pointer) {
		for _, f := range fields {
			f.plan.get(d, unsafe.Add(v, f.at))
		}
	}
}

// put encodes a value that references may point to.
func (p *plan) put(e *Encoder, v unsafe.Pointer) {
	if p.shared {
		e.known(p, v)
	}
	p.encode(e, v)
}

// get decodes a value that references may point to.
func (p *plan) get(d *Decoder, v unsafe.Pointer) {
	if p.shared {
		d.known = append(d.known, target{p, v})
	}
	p.decode(d, v)
}

func (c *Codec) planArray(p *plan) {
	n, part := p.typ.Len(), c.planOf(p.typ.Elem())
	size := part.typ.Size()
	p.least = n * part.least
	if part.typ.Kind() == reflect.Uint8 {
		p.encode = func(e *Encoder, v unsafe.Pointer) { e.Buf = append(e.Buf, unsafe.Slice((*byte)(v), n)...) }
		p.decode = func(d *Decoder, v unsafe.Pointer) { copy(unsafe.Slice((*byte)(v), n), d.Fixed(n)) }
		return
	}
	p.encode = func(e *Encoder, v unsafe.Pointer) {
		for i := range n {
			part.put(e, unsafe.Add(v, uintptr(i)*size))
		}
	}
	p.decode = func(d *Decoder, v unsafe.Pointer) {
		for i := range n {
			part.get(d, unsafe.Add(v, uintptr(i)*size))
		}
	}
}

// planSlice encodes nil as 0, and otherwise the length and 1. Without references, nil is the same as none, except of bytes.
func (c *Codec) planSlice(p *plan) {
	if p.typ.Elem().Kind() == reflect.Uint8 {
		p.encode = func(e *Encoder, v unsafe.Pointer) { e.Bytes(*(*[]byte)(v)) }
		p.decode = func(d *Decoder, v unsafe.Pointer) { *(*[]byte)(v) = d.Bytes() }
		return
	}
	part := c.planOf(p.typ.Elem())
	size := part.typ.Size()
	p.encode = func(e *Encoder, v unsafe.Pointer) {
		s := *(*[]byte)(v) // the pointer and the length are those of any slice
		if s == nil || len(s) == 0 && !c.rules.References {
			e.Uvarint(0)
			return
		}
		e.Uvarint(uint64(len(s)) + 1)
		first := unsafe.Pointer(unsafe.SliceData(s))
		for i := range len(s) {
			part.put(e, unsafe.Add(first, uintptr(i)*size))
		}
	}
	p.decode = func(d *Decoder, v unsafe.Pointer) {
		n, ok := d.length(part.least)
		if !ok {
			return
		}
		s := reflect.MakeSlice(p.typ, n, n)
		reflect.NewAt(p.typ, v).Elem().Set(s)
		first := s.UnsafePointer()
		for i := range n {
			part.get(d, unsafe.Add(first, uintptr(i)*size))
		}
	}
}

// planMap encodes a map as a slice of its entries, in the order of the encoded keys.
func (c *Codec) planMap(p *plan) {
	key, value := c.planOf(p.typ.Key()), c.planOf(p.typ.Elem())
	p.encode = func(e *Encoder, v unsafe.Pointer) {
		m := reflect.NewAt(p.typ, v).Elem()
		if m.IsNil() {
			e.Uvarint(0)
			return
		}
		type entry struct {
			key   string
			value reflect.Value
		}
		var entries []entry
		for i := m.MapRange(); i.Next(); {
			k, one, start := reflect.New(p.typ.Key()), reflect.New(p.typ.Elem()), len(e.Buf)
			k.Elem().Set(i.Key())
			one.Elem().Set(i.Value())
			key.encode(e, k.UnsafePointer())
			entries = append(entries, entry{string(e.Buf[start:]), one})
			e.Buf = e.Buf[:start]
		}
		slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
		e.Uvarint(uint64(len(entries)) + 1)
		for _, one := range entries {
			e.Buf = append(e.Buf, one.key...)
			value.encode(e, one.value.UnsafePointer())
		}
	}
	p.decode = func(d *Decoder, v unsafe.Pointer) {
		n, ok := d.length(key.least + value.least)
		if !ok {
			return
		}
		m := reflect.MakeMap(p.typ)
		reflect.NewAt(p.typ, v).Elem().Set(m)
		for range n {
			k, one := reflect.New(p.typ.Key()), reflect.New(p.typ.Elem())
			key.decode(d, k.UnsafePointer())
			value.decode(d, one.UnsafePointer())
			d.Later(func() { m.SetMapIndex(k.Elem(), one.Elem()) })
		}
	}
}

// planPointer encodes nil as 0.
func (c *Codec) planPointer(p *plan) {
	to := c.planOf(p.typ.Elem())
	if c.rules.References {
		to.shared = true
		p.encode = func(e *Encoder, v unsafe.Pointer) { e.refer(to, *(*unsafe.Pointer)(v)) }
		p.decode = func(d *Decoder, v unsafe.Pointer) {
			if d.Byte() != 0 {
				d.pending[to.queue] = append(d.pending[to.queue], v)
			}
		}
		return
	}
	p.encode = func(e *Encoder, v unsafe.Pointer) {
		if v = *(*unsafe.Pointer)(v); v == nil {
			e.Byte(0)
			return
		}
		e.Byte(1)
		to.encode(e, v)
	}
	p.decode = func(d *Decoder, v unsafe.Pointer) {
		if d.Byte() != 0 && d.err == nil {
			one := reflect.New(to.typ)
			reflect.NewAt(p.typ, v).Elem().Set(one)
			to.decode(d, one.UnsafePointer())
		}
	}
}

// scalar returns the encoding of a kind of numbers or text; nil: it has none.
func scalar(k reflect.Kind) (func(*Encoder, unsafe.Pointer), func(*Decoder, unsafe.Pointer)) {
	switch k {
	case reflect.Bool:
		return func(e *Encoder, v unsafe.Pointer) { e.Bool(*(*bool)(v)) },
			func(d *Decoder, v unsafe.Pointer) { *(*bool)(v) = d.Bool() }
	case reflect.Uint8:
		return func(e *Encoder, v unsafe.Pointer) { e.Byte(*(*uint8)(v)) },
			func(d *Decoder, v unsafe.Pointer) { *(*uint8)(v) = d.Byte() }
	case reflect.Int:
		return signed[int]()
	case reflect.Int64:
		return signed[int64]()
	case reflect.Uint16:
		return unsigned[uint16]()
	case reflect.Uint32:
		return unsigned[uint32]()
	case reflect.Uint64:
		return unsigned[uint64]()
	case reflect.String:
		return func(e *Encoder, v unsafe.Pointer) { e.Text(*(*string)(v)) },
			func(d *Decoder, v unsafe.Pointer) { *(*string)(v) = d.Text() }
	}
	return nil, nil
}

func signed[T int | int64]() (func(*Encoder, unsafe.Pointer), func(*Decoder, unsafe.Pointer)) {
	return func(e *Encoder, v unsafe.Pointer) { e.Varint(int64(*(*T)(v))) },
		func(d *Decoder, v unsafe.Pointer) { *(*T)(v) = T(d.Varint()) }
}

func unsigned[T uint16 | uint32 | uint64]() (func(*Encoder, unsafe.Pointer), func(*Decoder, unsafe.Pointer)) {
	return func(e *Encoder, v unsafe.Pointer) { e.Uvarint(uint64(*(*T)(v))) },
		func(d *Decoder, v unsafe.Pointer) { *(*T)(v) = T(d.Uvarint()) }
}

// builtin are the encodings of types of the standard library.
func builtin() []Custom {
	return []Custom{
		CustomOf((*Encoder).time, (*Decoder).time),
		CustomOf((*Encoder).addr, (*Decoder).addr),
		CustomOf((*Encoder).error, (*Decoder).error),
	}
}

// maxErrorText is how much of the text of an error is encoded, in bytes.
const maxErrorText = 200

// error encodes whether there is an error, and its text.
func (e *Encoder) error(err *error) {
	if *err == nil {
		e.Bool(false)
		return
	}
	e.Bool(true)
	text := (*err).Error()
	e.Text(text[:min(len(text), maxErrorText)])
}

func (d *Decoder) error(err *error) {
	if d.Bool() {
		*err = errors.New(d.Text())
	}
}

// Encoding is that of a type of a Codec.
type Encoding[T any] struct {
	codec *Codec
	plan  *plan
}

// EncodingOf returns the encoding of a type that the Codec was made for.
func EncodingOf[T any](c *Codec) Encoding[T] { return Encoding[T]{c, c.plans[reflect.TypeFor[T]()]} }

// Put is Append for a part of a value, in a Custom. The Codec has no references.
func (x Encoding[T]) Put(e *Encoder, v *T) { x.plan.encode(e, unsafe.Pointer(v)) }

// Get is Read for such a part.
func (x Encoding[T]) Get(d *Decoder, v *T) { x.plan.decode(d, unsafe.Pointer(v)) }

// Append appends the encoding of a value to e.
func (x Encoding[T]) Append(e *Encoder, v *T) {
	if !x.codec.rules.References {
		x.Put(e, v)
		return
	}
	e.references = newReferences(len(x.codec.targets))
	x.plan.put(e, unsafe.Pointer(v))
	e.follow(x.codec)
	e.references = references{}
}

// Read decodes a value from d, and returns the error of d.
func (x Encoding[T]) Read(d *Decoder, v *T) error {
	if !x.codec.rules.References {
		x.Get(d, v)
		return d.finish()
	}
	d.pending = make([][]unsafe.Pointer, len(x.codec.targets))
	x.plan.get(d, unsafe.Pointer(v))
	d.follow(x.codec)
	d.known, d.pending = nil, nil
	return d.finish()
}

// finish calls the functions of Later.
func (d *Decoder) finish() error {
	for len(d.later) > 0 && d.err == nil {
		later := d.later
		d.later = nil
		for _, f := range later {
			f()
		}
	}
	d.later = nil
	return d.err
}

// nanoseconds returns a time as nanoseconds after base; false if it is too far from that.
func nanoseconds(t, base time.Time) (int64, bool) {
	after := t.Sub(base)
	return int64(after), after.Abs() < 1<<61
}
