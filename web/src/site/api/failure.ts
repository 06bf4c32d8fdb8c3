import type { Problem } from "./types.ts";

/** A request that gave no answer: what to tell the visitor, and whether to try again makes sense. */
export class ApiFailure extends Error {
  override readonly name = "ApiFailure";
  /** HTTP status; 0 where the server could not be reached. */
  readonly status: number;
  /** Stable, for programs. */
  readonly code: string;
  /** What to do about it; may be empty. */
  readonly hint: string;

  constructor(message: string, status: number, code: string, hint = "") {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }

  get notFound(): boolean {
    return this.status === 404;
  }
}

/** Makes a failure of an answer that is not a success. Answers that are no problem document still say their status. */
export async function failureOf(response: Response): Promise<ApiFailure> {
  const problem = await readProblem(response);
  return new ApiFailure(
    problem.detail || problem.title || `The server answered ${response.status}.`,
    response.status,
    problem.code ?? "unknown",
    problem.hint ?? "",
  );
}

async function readProblem(response: Response): Promise<Partial<Problem>> {
  if (!response.headers.get("Content-Type")?.includes("json")) return {};
  try {
    const document: unknown = await response.json();
    return typeof document === "object" && document !== null ? document : {};
  } catch {
    return {}; // What calls itself JSON and is none has nothing more to say.
  }
}
