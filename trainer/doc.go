// Package trainer is distributed training: sessions in which browsers and native workers compute one exact run together.
//
// The parts, in the order of the way that work takes:
//
//   - Round is the pure state machine of a session: events in, commands out. It decides who computes what, what is late, whom to
//     audit, when a step ends and when to go back (round*.go).
//   - Coordinator drives a Round: it holds the links, merges vectors, keeps the journal and snapshots in a store, and has a replica
//     of its own whose engine runs in a child process (coordinator*.go).
//   - Participate is the other side: the native worker (participant*.go).
//   - wire is what both say to each other, and ws how it travels; PROTOCOL.md describes both.
package trainer
