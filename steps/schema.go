package steps

import _ "embed"

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of runner.yaml.
func Schema() []byte { return schema }
