package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/schema"
)

// maxBody bounds what is read as the JSON of one record.
const maxBody = 10 << 20

// shortcut is a flag for a field that is often set.
type shortcut struct{ flag, path, help string }

// body is the flags that make up a record to send.
type body struct {
	data  string
	sets  []string
	short []shortcut
	texts []string // the values of short
	cmd   *cobra.Command
}

const bodyHelp = `The record is JSON, as in the vendor's API, from --data (the text, @FILE, or -
for stdin) or from stdin; --set and the flags for single fields go over it.
--set FIELD=TEXT sets a text, --set FIELD:=JSON any JSON; FIELD may lead into
objects and lists: phones.0.value=0900000001.`

func (b *body) addFlags(cmd *cobra.Command, short []shortcut) {
	b.cmd, b.short, b.texts = cmd, short, make([]string, len(short))
	f := cmd.Flags()
	f.SortFlags = false
	for i, s := range short {
		f.StringVar(&b.texts[i], s.flag, "", s.help)
		notesField(f, s.flag, s.path)
	}
	f.StringArrayVar(&b.sets, "set", nil, "set a field: `FIELD=TEXT` or FIELD:=JSON (may be repeated)")
	f.StringVar(&b.data, "data", "", "the record as `JSON`; @FILE or - reads it from a file or stdin")
}

// read builds a body of type P from the flags.
func readBody[P any](ctx context.Context, a *app, b *body) (P, error) {
	var params P
	tree, err := b.tree(ctx, a)
	if err != nil {
		return params, err
	}
	s := schema.Of[P]()
	for _, set := range b.sets {
		path, value, err := parseSet(set, s)
		if err == nil {
			tree, err = setPath(tree, schema.Split(path), value, path)
		}
		if err != nil {
			return params, err
		}
	}
	for i, short := range b.short {
		if !b.cmd.Flags().Changed(short.flag) {
			continue
		}
		value, err := textValueOf("--"+short.flag, b.texts[i], short.path, s)
		if err == nil {
			tree, err = setPath(tree, schema.Split(short.path), value, short.path)
		}
		if err != nil {
			return params, err
		}
	}
	err = decodeStrict(tree, &params)
	return params, err
}

// tree is the JSON of --data or stdin, or an empty object where flags alone make the record.
func (b *body) tree(ctx context.Context, a *app) (any, error) {
	given := len(b.sets) > 0
	for _, short := range b.short {
		given = given || b.cmd.Flags().Changed(short.flag)
	}
	source := b.data
	if !b.cmd.Flags().Changed("data") {
		if given {
			return map[string]any{}, nil
		}
		if isTerminal(a.stdin) {
			return nil, usage("give --set FIELD=TEXT, --data JSON, or JSON on stdin", "nothing to send")
		}
		source = "-"
	}
	text, err := a.readData(ctx, source)
	if err != nil {
		return nil, err
	}
	return parseObject(text)
}

// readData is what --data means: a text, @FILE, or - for stdin.
func (a *app) readData(ctx context.Context, source string) ([]byte, error) {
	text := []byte(source)
	name, isFile := strings.CutPrefix(source, "@")
	if isFile || source == "-" {
		var err error
		text, err = await(ctx, func() ([]byte, error) { return a.readSmall(name, isFile) })
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			if !isFile {
				name = "stdin"
			}
			return nil, &failure{code: exitUsage, text: "read " + name, err: withoutPath(err), next: "give --data @FILE a file that can be read"}
		}
	}
	if len(text) > maxBody {
		return nil, usage("bulk data goes through import", "the data is larger than 10 MiB")
	}
	return bytes.TrimPrefix(bytes.TrimSpace(text), []byte("\ufeff")), nil
}

// readSmall reads a file or stdin, a byte more than a body may have at most.
func (a *app) readSmall(name string, isFile bool) ([]byte, error) {
	in := a.stdin
	if isFile {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	return io.ReadAll(io.LimitReader(in, maxBody+1))
}

func parseObject(text []byte) (any, error) {
	if len(text) == 0 {
		return nil, usage("give --set FIELD=TEXT, --data JSON, or JSON on stdin", "nothing to send: the data is empty")
	}
	tree, err := parseJSON(text)
	if err != nil {
		return nil, usage("check it with a JSON linter", "the data is not JSON: %s", jsonProblem(err))
	}
	switch tree.(type) {
	case map[string]any:
		return tree, nil
	case []any:
		return nil, usage("send one record, or use import for many", "the data is a list")
	}
	return nil, usage(`it looks like {"name": "…"}`, "the data is not a JSON object")
}

func parseJSON(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after its end")
	}
	return v, nil
}

// jsonProblem says what is wrong with JSON text, without quoting it.
func jsonProblem(err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("syntax error at byte %d", syntax.Offset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "it ends too early"
	}
	return err.Error()
}

// parseSet reads FIELD=TEXT or FIELD:=JSON.
func parseSet(set string, s schema.Schema) (path string, value any, err error) {
	path, text, found := strings.Cut(set, "=")
	if !found || path == "" || path == ":" {
		return "", nil, usage("write --set name=Mai or --set tags:='[\"vip\"]'", "--set needs FIELD=TEXT or FIELD:=JSON")
	}
	path, isJSON := strings.CutSuffix(path, ":")
	if !isJSON {
		value, err = textValueOf("--set "+path, text, path, s)
		return path, value, err
	}
	if err := checkField(path, s); err != nil {
		return "", nil, err
	}
	if value, err = parseJSON([]byte(text)); err != nil {
		return "", nil, usage("quote it for the shell: --set tags:='[\"vip\"]'", "--set %s: not JSON: %s", path, jsonProblem(err))
	}
	return path, value, nil
}

func checkField(path string, s schema.Schema) error {
	if _, ok := s.Lookup(path); !ok {
		return unknownField(path, s)
	}
	return nil
}

func unknownField(path string, s schema.Schema) error {
	return usage("there are: "+strings.Join(s.Names(), ", "), "unknown field %q", path)
}

// textValueOf is a text as the JSON that a field wants; flag is what it came by.
func textValueOf(flag, text, path string, s schema.Schema) (any, error) {
	kind, ok := s.Lookup(path)
	if !ok {
		return nil, unknownField(path, s)
	}
	switch kind {
	case schema.Bool:
		yes, err := strconv.ParseBool(text)
		if err != nil {
			return nil, usage("", "%s: must be true or false", flag)
		}
		return yes, nil
	case schema.Number:
		if !antcrm.Decimal(text).Valid() {
			return nil, usage("such as 4520000 or 12.5", "%s: not a number", flag)
		}
	case schema.Time:
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			return json.Number(text), nil
		}
		t, err := parseTime(text, time.Now(), false)
		if err != nil {
			return nil, usage("", "%s: %s", flag, err.Error())
		}
		return json.Number(strconv.FormatInt(t.UnixMilli(), 10)), nil
	case schema.Object, schema.Lists:
		return nil, usage(fmt.Sprintf("give JSON with %s:=…, or one of its fields", path), "%s: holds more than a text", flag)
	case schema.List:
		return []any{text}, nil
	}
	return text, nil
}

// setPath puts a value at a path, making objects and lists on the way. An index may be the list's length, not more.
func setPath(tree any, path []string, value any, whole string) (any, error) {
	if len(path) == 0 {
		return value, nil
	}
	if index, err := strconv.Atoi(path[0]); err == nil {
		list, ok := tree.([]any)
		if tree != nil && !ok || index < 0 || index > len(list) {
			return nil, usage("lists are filled from 0 on", "--set %s: there is no element %s", whole, path[0])
		}
		if index == len(list) {
			list = append(list, nil)
		}
		list[index], err = setPath(list[index], path[1:], value, whole)
		return list, err
	}
	object, ok := tree.(map[string]any)
	if tree == nil {
		object, ok = map[string]any{}, true
	}
	if !ok {
		return nil, usage("", "--set %s: %q leads into something that is not an object", whole, path[0])
	}
	var err error
	object[path[0]], err = setPath(object[path[0]], path[1:], value, whole)
	return object, err
}

// decodeStrict decodes a tree into params; a field that they do not have is an error, since the service would drop it in silence.
func decodeStrict[P any](tree any, params *P) error {
	text, err := json.Marshal(tree)
	if err != nil {
		return fmt.Errorf("encode the record: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	err = dec.Decode(params)
	if err == nil {
		return nil
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return usage("see the vendor's page or --help for its shape", "field %s: does not take this JSON value (%s)", wrong.Field, wrong.Value)
	}
	if name, found := strings.CutPrefix(err.Error(), "json: unknown field "); found {
		field, quoteErr := strconv.Unquote(name)
		if quoteErr != nil {
			field = name
		}
		return unknownField(field, schema.Of[P]())
	}
	return usage("see --help for the fields and their shapes", "a field has a value of the wrong kind: %s", strings.TrimPrefix(err.Error(), "json: "))
}
