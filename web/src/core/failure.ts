// Everything that can go wrong is a Failure of a kind: callers act on the kind, people read the message. A Failure
// crosses from a worker to its page as data (see ../worker/protocol.ts).

export type FailureKind =
  | "damaged" // bytes differ from the digest that names them, or are missing or cut short
  | "invalid" // a document, data file or engine is not acceptable
  | "engine" // an engine returned a status, trapped, or did not answer in time
  | "fetch" // the server could not be reached or refused
  | "unsupported" // this browser lacks something that is needed
  | "diverged"; // two computations that must be equal are not

export class Failure extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Failure";
    this.kind = kind;
  }
}

/** Says what a caught value says, whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
