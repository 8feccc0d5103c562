package cluster

import "tickerd/bus"

// ErrCutOff is why a node that is not in touch is not ready.
const ErrCutOff = bus.Error("cluster unreachable")
