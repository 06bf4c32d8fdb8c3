// Package ws carries the protocol of sessions (../PROTOCOL.md) over WebSockets: Server is the coordinator's end, Dialer the
// participant's.
//
// The server holds a connection for next to nothing while it is idle: one goroutine, which reads; the one that writes lives only
// while there is something to write. What a connection may make the server keep is bounded:
//
//   - a vector is received into memory out of a budget that all connections share. Where it does not fit, its connection waits
//     unread, and the peer's network holds it up;
//   - updates are encoded once, and queues hold pointers to them. Where slow readers keep too many old ones alive, the slowest are
//     let go;
//   - waiting texts, messages between the pieces of a vector, connections, and joins from one address have their limits.
//
// A peer is refused with its reason (wire.Refuse), and disturbs nobody else.
package ws
