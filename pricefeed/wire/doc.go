// Package wire reads the JSON in which exchanges write: values stay the bytes that
// they were, until something is made of them.
//
//	r := wire.Object(msg)
//	for r.Next() {
//		switch string(r.Name()) {
//		case "price":
//			m.price = r.Value()
//		}
//	}
//	if !r.Plain() {
//		… encoding/json
//	}
//
// [Object] and [Array] go through text that is written as machines write it, in one
// pass and without allocation: no white space, no escapes, nothing but ASCII, and not
// deep. What they find is what encoding/json would; any other text they leave to it.
// Names are another matter: encoding/json takes two that differ by case only for the
// same, unless both are declared. Whoever declares one looks at [IsLower].
//
// Of a value that was found so, [Text], [Uint], [Price], [Time] and [Millis] make what
// it says.
package wire
