package protocol

import "time"

// Time is how Coinbase and Kraken write a time: "2026-10-03T20:58:31.127510Z".
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
