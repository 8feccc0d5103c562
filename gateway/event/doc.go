// Package event is the server's side of Server-Sent Events, as the WHATWG's HTML
// standard has them (section 9.2): what an EventSource reads.
//
// Writing is appending, and every event ends with an empty line, which stands
// nowhere within one. So the same bytes can go to any number of clients, and where
// an event ends is found in the bytes themselves ([Len]):
//
//	event: welcome
//	data: {"type":"welcome",…}
//
//	event: ticker
//	id: 173
//	data: {"type":"ticker","seq":173,…}
//
//	:
package event
