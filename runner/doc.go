// Package runner executes engines natively: it evaluates, predicts, trains, replays and verifies.
//
// Vocabulary:
//
//   - A Runtime compiles engines for this machine and shares the compiled code. It always runs the copy of an engine
//     that charges fuel.
//   - An Instance is one engine in memory of its own: typed calls of the exports of ABI 1.
//   - A Team is a set of equal replicas that work on one training run, in this process (Workers) or in a child process
//     (TeamOptions.Child). Every task of the package runs on a Team, so that it does not care which.
//   - Train, Replay, Verify and Check are the tasks.
//
// Numbers that matter are computed inside engines. The host copies bytes, adds integers, compares, and picks the largest
// output of a prediction, with ties to the lowest index; so results do not depend on the number of workers, on which of
// them did what, nor on the runtime.
//
// Errors: *EngineError is a status that an export returned; *TrapError an engine that was stopped, which leaves its
// instance dead; *schema.Invalid an engine or document that is not acceptable; *schema.Damaged bytes that differ from
// their digest. Where several microbatches of a step fail, the error is that of the lowest.
package runner
