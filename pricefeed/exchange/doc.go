// Package exchange is what the adapters of all exchanges share: a [Client] that
// keeps one WebSocket connection up and is polite about it, and the [Sink] into
// which an adapter puts what it learns.
//
// An adapter is a [Talk]: it subscribes, then reads until the connection ends.
// The client makes the connections and calls it for each.
//
//	client := exchange.NewClient(url, exchange.Terms{…}, log)
//	err := client.Run(ctx, sink, func(ctx context.Context, c *exchange.Conn) error {
//		if err := c.Write(ctx, subscribe); err != nil {
//			return err
//		}
//		for {
//			msg, err := c.Read(ctx)
//			if err != nil {
//				return err
//			}
//			if err := handle(msg, sink); err != nil {
//				c.Bad(msg, err)
//			}
//		}
//	})
package exchange
