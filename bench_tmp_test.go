package antcrm

import (
	"fmt"
	"testing"
)

func benchParams(n int) ContactCreateParams {
	return ContactCreateParams{
		Name: "Nguyễn Thị Thanh Hằng", ExternalID: fmt.Sprintf("ERP-%07d", n), ContactType: ContactTypeLead, Gender: GenderOther,
		Addresses: []Address{{Type: "Work", HouseNumber: "12", StreetName: "Cách Mạng Tháng Tám", Ward: "Phường 3",
			District: "Quận Tân Bình", City: "Thành phố Hồ Chí Minh", Country: &Country{Code: "VN", Name: "Vietnam"}}},
		Phones: []Phone{{Type: "Work", Value: "0900000001"}}, Emails: []Email{{Type: "Work", Value: "khach@example.com"}},
		Industry: "Bất động sản", Stage: "Khách hàng mới", Tags: Tags{"Chưa liên hệ", "Miền Nam"}, Source: "Quảng cáo", ResponsibleStaff: "nhan.vien@example.com",
		CustomFields: []CustomField{TextField("Đơn vị vận chuyển", "Giao hàng nhanh")},
	}
}

func BenchmarkCheck(b *testing.B) {
	p := benchParams(1)
	b.ReportAllocs()
	for b.Loop() {
		if err := checkRecord(&p, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode100(b *testing.B) {
	list := make([]*ContactCreateParams, 100)
	for i := range list {
		p := benchParams(i)
		list[i] = &p
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := encodeBody(list); err != nil {
			b.Fatal(err)
		}
	}
}
