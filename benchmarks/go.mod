module github.com/antbuddy/antcrm-go/benchmarks

go 1.26.0

require (
	github.com/antbuddy/antcrm-go v0.0.0
	github.com/bytedance/sonic v1.15.5
	github.com/go-json-experiment/json v1.27.2
	github.com/go-resty/resty/v2 v2.17.2
)

require (
	github.com/apapsch/go-jsonmerge/v2 v2.0.0 // indirect
	github.com/bytedance/gopkg v0.1.3 // indirect
	github.com/bytedance/sonic/loader v0.5.3 // indirect
	github.com/cloudwego/base64x v0.1.6 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/klauspost/cpuid/v2 v2.2.9 // indirect
	github.com/twitchyliquid64/golang-asm v0.15.1 // indirect
	golang.org/x/arch v0.8.0 // indirect
	golang.org/x/sys v0.39.0 // indirect
)

require (
	github.com/oapi-codegen/runtime v1.8.0
	golang.org/x/net v0.48.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace github.com/antbuddy/antcrm-go => ../
