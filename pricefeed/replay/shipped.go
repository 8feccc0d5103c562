package replay

import _ "embed"

// shipped is the recording that ships: ten minutes of a market that never was, which
// end where they begin. TestShipped makes it.
//
//go:embed recording.jsonl.zst
var shipped []byte

const shippedName = "the recording that ships"
