module github.com/antbuddy/antcrm-go/benchmarks

go 1.26.0

require (
	github.com/antbuddy/antcrm-go v0.0.0
	github.com/go-json-experiment/json v1.27.2
	github.com/go-resty/resty/v2 v2.17.2
)

require (
	github.com/apapsch/go-jsonmerge/v2 v2.0.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
)

require (
	github.com/oapi-codegen/runtime v1.8.0
	golang.org/x/net v0.48.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace github.com/antbuddy/antcrm-go => ../
