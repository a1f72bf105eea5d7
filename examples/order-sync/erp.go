package main

import (
	"fmt"
	"time"
)

// order is an order as the ERP has it.
type order struct {
	Key      string // the ERP's own number
	Customer string
	Phone    string
	Stage    string
	Quantity int64
	Changed  time.Time
}

// erp stands for the system that the orders come from: a table with a column
// that says when a row was changed last.
type erp struct {
	orders []order
}

// changedSince lists the orders that changed after a moment. A real query goes
// back some minutes further: rows that are committed late carry earlier times,
// and to update an order once more does no harm.
func (e *erp) changedSince(after time.Time) []order {
	var changed []order
	for _, o := range e.orders {
		if o.Changed.After(after) {
			changed = append(changed, o)
		}
	}
	return changed
}

// place adds n orders.
func (e *erp) place(n int, at time.Time) {
	for range n {
		number := len(e.orders) + 1
		e.orders = append(e.orders, order{
			Key:      fmt.Sprintf("SO-%06d", number),
			Customer: fmt.Sprintf("Nguyễn Văn Mẫu %d", number),
			Phone:    fmt.Sprintf("0900%06d", number),
			Stage:    "New",
			Quantity: int64(number%3 + 1),
			Changed:  at,
		})
	}
}

// deliver changes the first n orders.
func (e *erp) deliver(n int, at time.Time) {
	for i := range n {
		e.orders[i].Stage, e.orders[i].Changed = "Delivered", at
	}
}
