//go:build !linux

package bench

// carryNatively is a goroutine for each connection: there is no better way here.
var carryNatively carrier = carryByGoroutine
