package recorder

import (
	"fmt"
	"reflect"
	"strconv"
)

// Field is a field of a struct as text.
type Field struct{ Name, Value string }

// Fields returns the fields of a struct that are bools, numbers, texts, or structs of such; the name of a field in a field has both names.
func Fields(v any) []Field { return appendFields(nil, "", reflect.ValueOf(v)) }

func appendFields(to []Field, prefix string, v reflect.Value) []Field {
	for i := range v.NumField() {
		f, name := v.Field(i), prefix+v.Type().Field(i).Name
		switch {
		case f.Kind() == reflect.Struct:
			to = appendFields(to, name+".", f)
		case f.CanInt():
			to = append(to, Field{name, strconv.FormatInt(f.Int(), 10)})
		case f.CanUint():
			to = append(to, Field{name, strconv.FormatUint(f.Uint(), 10)})
		case f.Kind() == reflect.Bool:
			to = append(to, Field{name, strconv.FormatBool(f.Bool())})
		case f.Kind() == reflect.String:
			to = append(to, Field{name, f.String()})
		}
	}
	return to
}

// SetFields sets the fields of a struct that Fields returned, and leaves others as they are: the struct may have got fields, or lost some,
// since. An error wraps ErrCorrupt.
func SetFields(v any, fields []Field) error {
	values := make(map[string]string, len(fields))
	for _, f := range fields {
		values[f.Name] = f.Value
	}
	return setFields(values, "", reflect.ValueOf(v).Elem())
}

func setFields(values map[string]string, prefix string, v reflect.Value) error {
	for i := range v.NumField() {
		f, name := v.Field(i), prefix+v.Type().Field(i).Name
		if f.Kind() == reflect.Struct {
			if err := setFields(values, name+".", f); err != nil {
				return err
			}
			continue
		}
		if text, ok := values[name]; ok {
			if err := setField(f, text); err != nil {
				return fmt.Errorf("%w: %s is %q", ErrCorrupt, name, text)
			}
		}
	}
	return nil
}

func setField(f reflect.Value, text string) error {
	switch {
	case f.CanInt():
		n, err := strconv.ParseInt(text, 10, f.Type().Bits())
		f.SetInt(n)
		return err
	case f.CanUint():
		n, err := strconv.ParseUint(text, 10, f.Type().Bits())
		f.SetUint(n)
		return err
	case f.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		f.SetBool(b)
		return err
	case f.Kind() == reflect.String:
		f.SetString(text)
	}
	return nil
}
