package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/antbuddy/antcrm-go"
)

// generateFile makes up a file of customers as Excel would write it, unless it
// is there: a resumed import needs the file that it began with.
func generateFile(path string, count int) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if os.IsExist(err) {
		fmt.Println("importing", path, "as it is")
		return nil
	}
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	err = generate(out, count)
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// generate writes customers of whom about one in a thousand is bad.
func generate(w io.Writer, count int) error {
	if _, err := io.WriteString(w, "\ufeffMã KH;Họ tên;contactType;Điện thoại;emails;address.city;Hạng\r\n"); err != nil {
		return err
	}
	for i := range count {
		if _, err := io.WriteString(w, line(i)); err != nil {
			return err
		}
	}
	return nil
}

func line(i int) string {
	customerCode, name, kind := code(i), fmt.Sprintf("Nguyễn Văn Mẫu %d", i), antcrm.ContactTypeCustomer
	if i%5 == 0 {
		kind = antcrm.ContactTypeLead
	}
	switch i % 5000 {
	case 700: // no name
		name = ""
	case 1900: // the code of an earlier row
		customerCode = code(i - 3)
	case 3100: // a quote that is not closed properly
		name = `"Trần "Bé" Mẫu`
	case 4200: // a field too few
		return fmt.Sprintf("%s;%s;%s\r\n", customerCode, name, kind)
	}
	return fmt.Sprintf("%s;%s;%s;\"0900%06d;0911%06d\";mau%d@example.com;Thành phố Hồ Chí Minh;%s\r\n", customerCode, name, kind, i%1_000_000, i%1_000_000, i, []string{"Vàng", "Bạc", "Đồng"}[i%3])
}

func code(i int) string { return fmt.Sprintf("KH-%07d", i) }

// known are customers that the CRM has before the import: their rows are
// rejected.
func known() []antcrm.ContactCreateParams {
	var list []antcrm.ContactCreateParams
	for i := 2500; i < 20_000; i += 5000 {
		list = append(list, antcrm.ContactCreateParams{Name: "Khách cũ", ExternalID: code(i), ContactType: antcrm.ContactTypeCustomer})
	}
	return list
}
