package frame

import (
	"strings"
	"testing"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws/wsflate"
)

// offers are values of Sec-WebSocket-Extensions, and what is answered; nothing
// where messages are not to be compressed.
var offers = []struct{ offer, response string }{
	{"permessage-deflate", deflateResponse},
	{"permessage-deflate; client_max_window_bits", deflateResponse}, // Chrome, Firefox
	{"permessage-deflate; client_max_window_bits=10", deflateResponse},
	{`permessage-deflate; client_max_window_bits="10"`, deflateResponse},
	{"permessage-deflate;server_no_context_takeover;client_no_context_takeover", deflateResponse},
	{"permessage-deflate; server_max_window_bits=15", deflateResponse + "; server_max_window_bits=15"},
	{` permessage-deflate ; server_max_window_bits = "15"	`, deflateResponse + "; server_max_window_bits=15"},
	{"permessage-deflate; server_max_window_bits=10, permessage-deflate", deflateResponse},
	{"x-webkit-deflate-frame, permessage-deflate; client_max_window_bits", deflateResponse},
	{"permessage-deflate; unknown, permessage-deflate; server_max_window_bits=15", deflateResponse + "; server_max_window_bits=15"},
	{"permessage-bzip2; a=1; b, permessage-deflate", deflateResponse},
	{",, permessage-deflate,", deflateResponse},

	{"", ""},
	{",", ""},
	{"permessage-bzip2", ""},
	{"permessage-deflate permessage-deflate", ""},
	{"x permessage-deflate", ""},
	{"permessage-deflate=1", ""},
	{"permessage-deflate;", ""},
	{"permessage-deflate; unknown", ""},
	{"permessage-deflate; Server_No_Context_Takeover=1", ""},
	{"permessage-deflate; server_no_context_takeover=1", ""},
	{"permessage-deflate; server_no_context_takeover=", ""},
	{"permessage-deflate; client_no_context_takeover=true", ""},
	{"permessage-deflate; client_no_context_takeover; client_no_context_takeover", ""},
	{"permessage-deflate; client_max_window_bits; client_max_window_bits=10", ""},
	{"permessage-deflate; client_max_window_bits=", ""},
	{"permessage-deflate; client_max_window_bits=7", ""},
	{"permessage-deflate; client_max_window_bits=16", ""},
	{"permessage-deflate; client_max_window_bits=010", ""},
	{"permessage-deflate; server_max_window_bits", ""},
	{"permessage-deflate; server_max_window_bits=14", ""},
	{"permessage-deflate; server_max_window_bits=15; server_max_window_bits=15", ""},
	{`permessage-deflate; server_max_window_bits="15`, ""},
	{`x; y="a, permessage-deflate, b"`, ""},
	{`x; y="a\", permessage-deflate, b"`, ""},
}

func TestNegotiateDeflate(t *testing.T) {
	for _, tt := range offers {
		if response, ok := NegotiateDeflate(tt.offer); response != tt.response || ok != (tt.response != "") {
			t.Errorf("NegotiateDeflate(%q) = %q, %v, want %q", tt.offer, response, ok, tt.response)
		}
	}
}

// FuzzNegotiateDeflate holds that what is accepted was offered, as gobwas reads it,
// and that the answer keeps to it.
func FuzzNegotiateDeflate(f *testing.F) {
	for _, tt := range offers {
		f.Add(tt.offer)
	}
	f.Fuzz(func(t *testing.T, offer string) {
		response, ok := NegotiateDeflate(offer)
		if !ok {
			if response != "" {
				t.Errorf("%q: refused, but answered %q", offer, response)
			}
			return
		}
		answers, wellFormed := httphead.ParseOptions([]byte(response), nil)
		var answer wsflate.Parameters
		if !wellFormed || len(answers) != 1 || answer.Parse(answers[0]) != nil {
			t.Fatalf("%q: malformed answer %q", offer, response)
		}
		if !answer.ServerNoContextTakeover || !answer.ClientNoContextTakeover || answer.ClientMaxWindowBits.Defined() {
			t.Errorf("%q: answer %q", offer, response)
		}
		// What stands in other offers may be anything.
		if strings.Contains(offer, `"`) {
			return
		}
		for one := range strings.SplitSeq(offer, ",") {
			one = strings.Trim(strings.ReplaceAll(one, "\t", " "), " ") // gobwas trips over a tab at the end
			offered, wellFormed := httphead.ParseOptions([]byte(one), nil)
			var want wsflate.Parameters
			if wellFormed && len(offered) == 1 && string(offered[0].Name) == wsflate.ExtensionName && want.Parse(offered[0]) == nil &&
				want.ServerMaxWindowBits == answer.ServerMaxWindowBits {
				return
			}
		}
		t.Errorf("%q: accepted with %q", offer, response)
	})
}
