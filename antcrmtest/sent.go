package antcrmtest

import (
	"fmt"
	"strings"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// This file is what some servers do to the values of a body before they keep them: refuse, drop or rewrite them. See
// internal/questions.

// asSent brings the body of a create or an update into the form that the server takes, or says why it does not.
func (res *resource) asSent(c *call, o *object, create bool) *problem {
	for _, step := range []func(*call, *object, bool) *problem{res.extraFields, res.money, res.systemNames} {
		if p := step(c, o, create); p != nil {
			return p
		}
	}
	switch tags := o.get("tags"); {
	case !isArray(tags):
	case res.cfg.is(questions.TagsSent, "text-only"):
		return &problem{"tags", "must be a string"}
	case res.cfg.is(questions.TagsSent, "text-or-nothing"):
		o.remove("tags")
	}
	res.phones(o)
	return nil
}

// extraFields refuses or drops what the pages document in records only.
func (res *resource) extraFields(_ *call, o *object, _ bool) *problem {
	alternative, ok := res.cfg.answers[questions.ExtraFields]
	if !ok {
		return nil
	}
	kept := make(object, 0, len(*o))
	for _, f := range *o {
		known := contains(res.sent, f.name)
		value, inner := withoutID(f.value)
		switch {
		case alternative == "refused" && !known:
			return &problem{f.name, "is not known"}
		case alternative == "refused" && inner != "":
			return (&problem{inner, "is not known"}).within(f.name)
		case known:
			kept = append(kept, field{f.name, value})
		}
	}
	*o = kept
	return nil
}

// withoutID drops the _id of an object, or of the elements of a list; path says where one was.
func withoutID(v []byte) (kept []byte, path string) {
	if o, ok := splitObject(v); ok {
		if o.get("_id") == nil {
			return v, ""
		}
		o.remove("_id")
		return o.encode(), "_id"
	}
	elements, ok := splitArray(v)
	if !ok {
		return v, ""
	}
	for i, e := range elements {
		stripped, inner := withoutID(e)
		if elements[i] = stripped; inner != "" && path == "" {
			path = fmt.Sprintf("[%d].%s", i, inner)
		}
	}
	if path == "" {
		return v, ""
	}
	return array(elements), path
}

// money holds the amounts of a body to the form that the server wants, and an order to having one.
func (res *resource) money(_ *call, o *object, create bool) *problem {
	switch res.kind {
	case Opportunities:
		if create && isEmpty(o.get("value")) && res.cfg.is(questions.OrderWithoutSum, "refused") {
			return &problem{"value", "is required"}
		}
		if !res.cfg.is(questions.MoneySent, "text-only") {
			return nil
		}
		for _, name := range []string{"value", "shipping_cost"} {
			if isNumber(o.get(name)) {
				return &problem{name, "must be a string"}
			}
		}
	case Products:
		if isString(o.get("value")) && res.cfg.is(questions.MoneySent, "numbers-only") {
			return &problem{"value", "must be a number"}
		}
	}
	return nil
}

// The names that the system knows, where it holds bodies to them. A line item is known by a product of the store.
func knownCities() []string {
	return []string{"", "Hồ Chí Minh", "Ho Chi Minh City", "Hà Nội", "Hanoi"}
}

func knownStages() []string { return []string{"", "New", "A new customer"} }

// systemNames refuses or drops a city, a stage or a line item that the system does not know.
func (res *resource) systemNames(c *call, o *object, _ bool) *problem {
	alternative, ok := res.cfg.answers[questions.SystemNames]
	if !ok || res.kind == Tickets || res.kind == Products {
		return nil
	}
	if stage := o.get("stage"); isString(stage) && !contains(knownStages(), unquote(stage)) {
		if alternative == "refused" {
			return &problem{"stage", "is not known"}
		}
		o.remove("stage")
	}
	lists := map[string]func(object) bool{
		"addresses":    func(a object) bool { return contains(knownCities(), a.text("city")) },
		"groupPackage": c.srv.store.knowsItem,
	}
	for _, name := range []string{"addresses", "groupPackage"} {
		elements, ok := splitArray(o.get(name))
		if !ok {
			continue
		}
		kept := elements[:0:0]
		for i, e := range elements {
			if element, ok := splitObject(e); !ok || lists[name](element) {
				kept = append(kept, e)
			} else if alternative == "refused" {
				return &problem{fmt.Sprintf("%s[%d]", name, i), "is not known"}
			}
		}
		if len(kept) < len(elements) {
			o.set(name, array(kept))
		}
	}
	return nil
}

// knowsItem finds the product of a line item.
func (st *store) knowsItem(item object) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, key := range []string{"productIdApiRing", "code"} {
		if st.kinds[Products].lookup(key, item.text(key)) != nil {
			return true
		}
	}
	return false
}

// phones rewrites phone numbers where the server keeps them in another form.
func (res *resource) phones(o *object) {
	if _, ok := res.cfg.answers[questions.PhoneStored]; !ok {
		return
	}
	if v := o.get("receiverPhone"); isString(v) {
		o.set("receiverPhone", quoted(international(unquote(v))))
	}
	if with, ok := splitObject(o.get("dealWith")); ok {
		if elements, ok := splitArray(with.get("phones")); ok {
			with.set("phones", internationalList(elements))
			o.set("dealWith", with.encode())
		}
	}
	if elements, ok := splitArray(o.get("phones")); ok {
		o.set("phones", internationalList(elements))
	}
}

func internationalList(elements [][]byte) []byte {
	out := make([][]byte, len(elements))
	for i, e := range elements {
		out[i] = e
		if phone, ok := splitObject(e); ok && isString(phone.get("value")) {
			phone.set("value", quoted(international(phone.text("value"))))
			out[i] = phone.encode()
		}
	}
	return array(out)
}

// international writes 0900… as +84900….
func international(phone string) string {
	if rest, ok := strings.CutPrefix(phone, "0"); ok && rest != "" {
		return "+84" + rest
	}
	return phone
}

// phoneSought is the number that the server looks for when this one is asked for.
func (c *config) phoneSought(phone string) string {
	if c.is(questions.PhoneStored, "international") {
		return international(phone)
	}
	return phone
}
