package antcrmtest

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// remove deletes by the one key of the query, the body, or both.
func (res *resource) remove(c *call) (answer, *failure) {
	key, f := res.deleteKey(c)
	if f != nil {
		return answer{}, f
	}
	st := c.srv.store
	st.mu.Lock()
	defer st.mu.Unlock()
	r := st.kinds[res.kind].lookup(key.index, key.value)
	if r == nil {
		return res.nothingToDelete(c, key)
	}
	o, _ := splitObject(r.raw)
	c.note(Change{Kind: res.kind, Action: Deleted}, o)
	id := res.id(o)
	if res.soft == nil {
		st.remove(res.kind, r)
		return c.deleted(id)
	}
	res.soft(&o)
	o.set("updatedAt", strconv.AppendInt(nil, st.millis(), 10))
	st.replace(res.kind, r, o)
	st.hide(res.kind, r)
	return c.deleted(id)
}

func (res *resource) nothingToDelete(c *call, key posting) (answer, *failure) {
	f := notFound("%s: no such record among the %s", key.index, res.kind)
	switch res.cfg.answers[questions.DeleteMissing] {
	case "success":
		return c.deleted(field{key.index, numberOrString(key.value)})
	case "no-content":
		return noContent()
	case "refused":
		f.shape = "success-zero"
	case "html":
		f.shape = "html-error"
	}
	return answer{}, f
}

func (res *resource) deleteKey(c *call) (posting, *failure) {
	fromQuery, fromBody := object{}, object{}
	where := res.cfg.answers[questions.DeleteKey]
	if where != "body-only" {
		for _, name := range res.keys {
			if value, ok := c.query[name]; ok {
				fromQuery.set(name, quoted(value))
			}
		}
	}
	if len(bytes.TrimSpace(c.body)) > 0 {
		if where == "body-refused" {
			return posting{}, badRequest("UNEXPECTED_BODY", "a DELETE takes no body: the key stands in the query")
		}
		o, f := c.object()
		if f != nil {
			return posting{}, f
		}
		if where != "query-only" {
			fromBody = o
		}
	}
	var keys []posting
	for i, o := range []object{fromQuery, fromBody} {
		if len(o) == 0 {
			continue
		}
		key, p := res.oneKey(o, i == 0)
		if p != nil {
			return posting{}, refuse(p, "")
		}
		keys = append(keys, key)
	}
	switch {
	case len(keys) == 0:
		return posting{}, badRequest("FIELD_REQUIRED", "the query or the body must hold exactly one of %s", strings.Join(res.keys, ", "))
	case len(keys) == 2 && keys[0] != keys[1]:
		return posting{}, badRequest("KEYS_DISAGREE", "the query and the body name different records")
	}
	return keys[0], nil
}
