package antcrm

import (
	"encoding/json"
	"unicode/utf8"
)

// Country is the country of an address.
type Country struct {
	Code string `json:"code,omitzero"` // ISO 3166 code, such as VN
	Name string `json:"name,omitzero"`
}

// Address is a Vietnamese postal address. The vendor requires that it is "the same as the address on the system", on
// every endpoint: spell city, district, ward and street as the CRM does.
type Address struct {
	redacted

	Type         string   `json:"type,omitzero"` // such as Work
	HouseNumber  string   `json:"street,omitzero"`
	StreetName   string   `json:"streetName,omitzero"`
	Ward         string   `json:"wards,omitzero"`
	District     string   `json:"state,omitzero"`
	City         string   `json:"city,omitzero"`
	Country      *Country `json:"country,omitzero"`
	CityCode     string   `json:"cityCode,omitzero"`  // read only: the vendor lists it in answers
	DistrictCode string   `json:"stateCode,omitzero"` // read only
	WardCode     string   `json:"wardsCode,omitzero"` // read only
	Zip          string   `json:"zip,omitzero"`       // read only
	ID           ID       `json:"_id,omitzero"`       // read only
}

// Update returns the change that makes an order's address this one. It sends every text that the vendor takes, the empty
// ones too, so that the result is the same whether the server replaces the address or merges the change into it. The
// fields that are read only, and a nil country, are left alone.
func (a Address) Update() *AddressUpdate {
	update := &AddressUpdate{
		Type: new(a.Type), HouseNumber: new(a.HouseNumber), StreetName: new(a.StreetName), Ward: new(a.Ward), District: new(a.District),
		City: new(a.City),
	}
	if a.Country != nil {
		update.Country = &CountryUpdate{Code: new(a.Country.Code), Name: new(a.Country.Name)}
	}
	return update
}

// AddressUpdate changes an order's address. Nil leaves a text out; a pointer to "" sends the empty text, to clear it.
//
// The vendor does not say whether the server replaces the address or merges the change into it: a text that is left out
// may stay or go. Address.Update makes a change that names every text, and has one result either way.
type AddressUpdate struct {
	redacted

	Type         *string        `json:"type,omitzero"` // such as Work
	HouseNumber  *string        `json:"street,omitzero"`
	StreetName   *string        `json:"streetName,omitzero"`
	Ward         *string        `json:"wards,omitzero"`
	District     *string        `json:"state,omitzero"`
	City         *string        `json:"city,omitzero"`
	Country      *CountryUpdate `json:"country,omitzero"`
	CityCode     *string        `json:"cityCode,omitzero"`  // read only: the vendor lists it in answers
	DistrictCode *string        `json:"stateCode,omitzero"` // read only
	WardCode     *string        `json:"wardsCode,omitzero"` // read only
	Zip          *string        `json:"zip,omitzero"`       // read only
	ID           *ID            `json:"_id,omitzero"`       // read only
}

// CountryUpdate changes the country of an address: see AddressUpdate.
type CountryUpdate struct {
	Code *string `json:"code,omitzero"` // ISO 3166 code, such as VN
	Name *string `json:"name,omitzero"`
}

// Phone is a telephone number.
type Phone struct {
	redacted

	Type  string `json:"type,omitzero"` // such as Work
	Value string `json:"value,omitzero"`
	ID    ID     `json:"_id,omitzero"` // read only
}

// Email is an e-mail address.
type Email struct {
	redacted

	Type  string `json:"type,omitzero"` // such as Work
	Value string `json:"value,omitzero"`
	ID    ID     `json:"_id,omitzero"` // read only
}

// SocialProfile is an account elsewhere, such as on Facebook.
type SocialProfile struct {
	redacted

	Protocol string `json:"protocol,omitzero"` // such as Facebook
	Value    string `json:"value,omitzero"`
}

// CustomField is a field that the CRM's administrator has defined. Its value may be any JSON. TextField and Text cover
// the usual case of a text.
type CustomField struct {
	redacted

	Name  string          `json:"name,omitzero"`
	Value json.RawMessage `json:"value,omitzero"`
}

// TextField returns a custom field whose value is a text.
func TextField(name, text string) CustomField {
	if !utf8.ValidString(text) {
		// An encoder would silently replace the bytes. Like this, the field is refused before it is sent.
		return CustomField{Name: name, Value: json.RawMessage(`"` + text + `"`)}
	}
	value, _ := json.Marshal(text) // a string always marshals
	return CustomField{Name: name, Value: value}
}

// Text returns the value if it is a JSON string, else the JSON itself.
func (f CustomField) Text() string {
	var text string
	if json.Unmarshal(f.Value, &text) == nil {
		return text
	}
	return string(f.Value)
}
