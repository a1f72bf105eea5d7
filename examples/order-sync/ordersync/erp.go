package ordersync

import (
	"fmt"
	"time"
)

// Order is an order as the ERP has it.
type Order struct {
	Key      string // the ERP's own number
	Customer string
	Phone    string
	Stage    string
	Quantity int64
	Changed  time.Time
}

// ERP stands for the system that the orders come from: a table with a column
// that says when a row was changed last.
type ERP struct {
	Orders []Order
}

// changedSince lists the orders that changed after a moment. A real query goes
// back some minutes further: rows that are committed late carry earlier times,
// and to update an order once more does no harm.
func (e *ERP) changedSince(after time.Time) []Order {
	var changed []Order
	for _, o := range e.Orders {
		if o.Changed.After(after) {
			changed = append(changed, o)
		}
	}
	return changed
}

// Place adds n orders.
func (e *ERP) Place(n int, at time.Time) {
	for range n {
		number := len(e.Orders) + 1
		e.Orders = append(e.Orders, Order{
			Key:      fmt.Sprintf("SO-%06d", number),
			Customer: fmt.Sprintf("Nguyễn Văn Mẫu %d", number),
			Phone:    fmt.Sprintf("0900%06d", number),
			Stage:    "New",
			Quantity: int64(number%3 + 1),
			Changed:  at,
		})
	}
}

// Deliver changes the first n orders.
func (e *ERP) Deliver(n int, at time.Time) {
	for i := range n {
		e.Orders[i].Stage, e.Orders[i].Changed = "Delivered", at
	}
}
