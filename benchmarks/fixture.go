package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// contact is a contact as a user would declare it for encoding/json: plain
// types that fit what the server of these benchmarks sends, no leniency. It is
// the type of the hand-written peers.
type contact struct {
	Name             string        `json:"name"`
	ContactType      string        `json:"contactType"`
	Type             int           `json:"type"`
	LeadID           int64         `json:"leadId,omitempty"`
	CustomerID       int64         `json:"customerId,omitempty"`
	DateOfBirth      string        `json:"dateOfBirth"`
	Gender           int           `json:"gender"`
	Addresses        []address     `json:"addresses"`
	Phones           []typedValue  `json:"phones"`
	Emails           []typedValue  `json:"emails"`
	Industry         string        `json:"industry"`
	IM               []im          `json:"im"`
	BgInfo           string        `json:"bgInfo"`
	Stage            string        `json:"stage"`
	Tags             []string      `json:"tags"`
	SourceContact    string        `json:"sourceContact"`
	ResponsibleStaff string        `json:"responsibleStaff"`
	CusFields        []customField `json:"cusFields"`
	ScoreAvailable   float64       `json:"scoreAvailable"`
	ScoreRank        float64       `json:"scoreRank"`
	RankName         string        `json:"rankName"`
	CreatedAt        int64         `json:"createdAt"`
	UpdatedAt        int64         `json:"updatedAt"`
}

type address struct {
	Type       string  `json:"type"`
	Street     string  `json:"street"`
	StreetName string  `json:"streetName"`
	Wards      string  `json:"wards"`
	State      string  `json:"state"`
	City       string  `json:"city"`
	Country    country `json:"country"`
	ID         string  `json:"_id"`
}

type country struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

type typedValue struct {
	Type  string `json:"type"`
	Value string `json:"value"`
	ID    string `json:"_id"`
}

type im struct {
	Protocol string `json:"protocol"`
	Value    string `json:"value"`
}

type customField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// newContact makes the n-th of as many invented customers as wanted, always
// the same.
func newContact(n int) contact {
	pick := func(list ...string) string { return list[n%len(list)] }
	objectID := func(kind int) string { return fmt.Sprintf("64db290a%04x%012x", kind, n) }
	name := pick("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Võ") + " " +
		[]string{"Thị Thanh", "Văn", "Ngọc Phương", "Hữu", "Minh"}[n/7%5] + " " +
		[]string{"Hằng", "Đức", "Thảo", "Nghĩa", "Quỳnh", "Dũng"}[n/35%6]
	return contact{
		Name: name, ContactType: "customer", CustomerID: int64(475 + n), DateOfBirth: "15/03/1990", Gender: n % 3,
		Addresses: []address{{
			Type: "Work", Street: strconv.Itoa(1 + n%400), StreetName: pick("Nguyễn Kiệm", "Cách Mạng Tháng Tám", "Lê Văn Sỹ"),
			Wards: "Phường " + strconv.Itoa(1+n%15), State: pick("Quận Tân Bình", "Quận Phú Nhuận"), City: "Thành phố Hồ Chí Minh",
			Country: country{Code: "VN", Name: "Vietnam"}, ID: objectID(1),
		}},
		Phones:        []typedValue{{Type: "Work", Value: fmt.Sprintf("09%08d", n), ID: objectID(2)}},
		Emails:        []typedValue{{Type: "Work", Value: fmt.Sprintf("khach.hang.%d@example.com", n), ID: objectID(3)}},
		Industry:      pick("Bất động sản", "Bán lẻ", "Giáo dục"),
		IM:            []im{{Protocol: "Facebook", Value: fmt.Sprintf("https://example.com/khach.hang.%d", n)}},
		BgInfo:        "Khách hàng thân thiết, mua hàng mỗi quý",
		Stage:         pick("Khách hàng mới", "Đang tư vấn", "Đã chốt đơn"),
		Tags:          []string{"Chưa liên hệ", pick("Miền Nam", "Miền Bắc", "Miền Trung")},
		SourceContact: "Quảng cáo", ResponsibleStaff: "nhan.vien@example.com",
		CusFields:      []customField{{Name: "Đơn vị vận chuyển", Value: "Giao hàng nhanh"}},
		ScoreAvailable: float64(n % 500), ScoreRank: float64(n % 900), RankName: pick("Bạc", "Vàng"),
		CreatedAt: 1692084490615 + int64(n), UpdatedAt: 1692084490615 + int64(n),
	}
}

// pageBody is a page as the server sends it: an array of count contacts, the
// first of them number first.
func pageBody(first, count int) []byte {
	list := make([]contact, count)
	for i := range list {
		list[i] = newContact(first + i)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(list); err != nil {
		panic(err) // plain types always encode
	}
	return bytes.TrimSpace(buf.Bytes())
}
