module github.com/antbuddy/antcrm-go/contract

go 1.26.0

require (
	github.com/antbuddy/antcrm-go v0.0.0
	github.com/getkin/kin-openapi v0.153.0
	github.com/stretchr/testify v1.12.1
	pgregory.net/rapid v1.3.0
)

replace github.com/antbuddy/antcrm-go => ../
