import type { ClosureDetail, DerivationAnswer } from "../api/types.ts";
import { useLoaded } from "../state/react.ts";

/** What the server's compiler says of the closure's engine. The server compiles once, so this asks without hurry. */
export function useDerivation({ reference, derivation }: ClosureDetail): DerivationAnswer {
  const { name, digest } = reference;
  const known: DerivationAnswer = { derivation, reason: "" };
  const { value } = useLoaded(`${name}@${digest}`, (api, ref, signal) =>
    derivation === "unchecked" ? api.derivation(ref, signal) : Promise.resolve(known),
  );
  return value ?? known;
}
