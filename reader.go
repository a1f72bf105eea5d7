package antcrm

import (
	"context"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// reader reads JSON until its context ends: an answer may have millions of members.
type reader struct {
	*jsontext.Decoder
	ctx   context.Context // a reader lives no longer than one answer
	steps int
}

// readJSON reads a text that is one JSON value. It returns errEnded if the context ends.
func readJSON(ctx context.Context, text []byte, opts jsontext.Options, read func(*reader) error) error {
	from := unmarshalerFunc(func(dec *jsontext.Decoder) error { return read(&reader{Decoder: dec, ctx: ctx}) })
	return json.Unmarshal(text, &from, opts)
}

// unmarshalerFunc lets a function read from the decoder of json.Unmarshal, which reuses its decoders.
type unmarshalerFunc func(*jsontext.Decoder) error

// UnmarshalJSONFrom is called by json.Unmarshal.
func (f *unmarshalerFunc) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return (*f)(dec) }

// step is called for each value of a list or an object.
func (r *reader) step() error {
	const seldom = 64
	if r.steps++; r.steps%seldom == 0 && r.ctx.Err() != nil {
		return errEnded
	}
	return nil
}

// eachMember calls read for each member of the next value, an object. read must read the member's value.
func (r *reader) eachMember(read func(name string) error) error {
	if _, err := r.ReadToken(); err != nil {
		return err
	}
	for r.PeekKind() != '}' {
		name, err := r.ReadToken()
		if err != nil {
			return err
		}
		if err := r.step(); err != nil {
			return err
		}
		if err := read(name.String()); err != nil {
			return err
		}
	}
	_, err := r.ReadToken()
	return err
}

// eachElement calls read for each element of the next value, an array. read must read the element.
func (r *reader) eachElement(read func(kind jsontext.Kind) error) error {
	if _, err := r.ReadToken(); err != nil {
		return err
	}
	for kind := r.PeekKind(); kind != ']'; kind = r.PeekKind() {
		if err := r.step(); err != nil {
			return err
		}
		if err := read(kind); err != nil {
			return err
		}
	}
	_, err := r.ReadToken()
	return err
}
