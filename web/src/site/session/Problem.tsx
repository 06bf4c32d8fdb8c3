import { messageOf } from "../../core/failure.ts";
import { ApiFailure } from "../api/failure.ts";
import { Text } from "../ui/Text.tsx";
import "../ui/status.css";

interface Props {
  readonly error: unknown;
  /** What did not come about. */
  readonly what: string;
}

/** Why something that the visitor wanted was refused, in the server's words. */
export function Problem({ error, what }: Props) {
  const failure = error instanceof ApiFailure ? error : undefined;
  return (
    <div className="failed session-problem" role="alert">
      <p>
        <strong>{what}.</strong>
      </p>
      <p>
        <Text max={4000}>{messageOf(error)}</Text>
      </p>
      {failure?.hint && (
        <p>
          <Text max={1000}>{failure.hint}</Text>
        </p>
      )}
      {failure?.status === 401 || failure?.status === 403 ? <p>A token of this server is needed for that.</p> : null}
    </div>
  );
}
