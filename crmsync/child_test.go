package crmsync_test

import "encoding/json"

func runChild(string) int { return 2 }

func jsonUnmarshal(text []byte, into any) error { return json.Unmarshal(text, into) }
