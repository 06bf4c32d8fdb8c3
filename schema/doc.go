// Package schema holds every document of Reprise: its JSON Schema, its Go type, and how it is read and written.
//
// Vocabulary:
//
//   - A specification is what a researcher writes (YAML or JSON). Resolved, with every default filled in and the
//     datasets pinned, it is the identity of a training run (its canonical digest is the specification digest).
//   - A closure is the archived object; closure.json is its single source of truth.
//   - A dataset is an object of its own: dataset.json and shards of whole records.
//   - A journal is JSON lines: everything that a replay must reproduce byte for byte, and nothing else.
//   - An engine section is the JSON that a WebAssembly engine carries about itself (ABI 1).
//   - A report is what verify and replay print.
//
// Reading is strict: unknown fields, duplicate keys and integers of magnitude 2⁵³ or more are refused, and every
// refusal is an *Invalid that names the document, the place and the remedy. Writing is canonical JSON (RFC 8785), so
// equal documents have equal bytes.
package schema
