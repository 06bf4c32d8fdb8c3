import type { ReactNode } from "react";
import { ApiFailure } from "../api/failure.ts";
import { Button } from "./Button.tsx";
import "./status.css";

/** Stands where something will be, and takes about the room of it. */
export function Loading({ what, tall }: { readonly what: string; readonly tall?: boolean }) {
  return (
    <div className={tall ? "loading loading-tall" : "loading"} role="status">
      <span>Loading {what} …</span>
    </div>
  );
}

/** Says why something is not there, and what can be done. */
export function Failed({ error, retry }: { readonly error: unknown; readonly retry?: () => void }) {
  const failure = error instanceof ApiFailure ? error : undefined;
  return (
    <div className="failed" role="alert">
      <p>
        <strong>{failure?.message ?? "Something in this page went wrong."}</strong>
      </p>
      {failure?.hint && <p>{failure.hint}</p>}
      {retry && (
        <p>
          <Button onClick={retry}>Try again</Button>
        </p>
      )}
    </div>
  );
}

/** Says that there is nothing, which is no failure. */
export function Empty({ children }: { readonly children: ReactNode }) {
  return <p className="empty">{children}</p>;
}
