// The service's JSON interface. Knows no page and no React.

import { ApiFailure, failureOf } from "./failure.ts";
import type {
  About,
  ClosureDetail,
  ClosureList,
  Curve,
  DatasetDetail,
  DatasetList,
  DatasetRows,
  DerivationAnswer,
  Sort,
  VerificationReceipt,
  VerificationRequest,
} from "./types.ts";

/** What a list of closures is asked for. Absent and empty mean the same: do not care. */
export interface ClosureQuery {
  readonly q?: string;
  readonly task?: string;
  readonly dataset?: string;
  readonly license?: string;
  readonly verified?: string;
  readonly sort?: Sort;
  readonly offset?: number;
  readonly limit?: number;
}

export interface DatasetQuery {
  readonly q?: string;
  readonly offset?: number;
  readonly limit?: number;
}

type Parameters = Readonly<Record<string, string | number | undefined>>;

export class Api {
  readonly #base: string;
  readonly #fetch: typeof fetch;

  /** base is where /api/v1 begins, without a slash at its end. */
  constructor(base = "", fetcher: typeof fetch = (input, init) => fetch(input, init)) {
    this.#base = base;
    this.#fetch = fetcher;
  }

  closures(query: ClosureQuery, signal?: AbortSignal): Promise<ClosureList> {
    return this.get("closures", { ...query }, signal);
  }

  closure(ref: string, signal?: AbortSignal): Promise<ClosureDetail> {
    return this.get("closure", { ref }, signal);
  }

  curve(ref: string, points: number, signal?: AbortSignal): Promise<Curve> {
    return this.get("closure/curve", { ref, points }, signal);
  }

  derivation(ref: string, signal?: AbortSignal): Promise<DerivationAnswer> {
    return this.get("closure/derivation", { ref }, signal);
  }

  datasets(query: DatasetQuery, signal?: AbortSignal): Promise<DatasetList> {
    return this.get("datasets", { ...query }, signal);
  }

  dataset(ref: string, signal?: AbortSignal): Promise<DatasetDetail> {
    return this.get("dataset", { ref }, signal);
  }

  rows(ref: string, split: string, limit: number, signal?: AbortSignal): Promise<DatasetRows> {
    return this.get("dataset/rows", { ref, split, limit }, signal);
  }

  about(signal?: AbortSignal): Promise<About> {
    return this.get("about", {}, signal);
  }

  /** Address of a picture of a split's first records. */
  sheet(ref: string, split: string, columns: number, rows: number): string {
    return this.#address("dataset/sheet", { ref, split, columns, rows });
  }

  /** Address of stored bytes. */
  blob(digest: string): string {
    return `${this.#base}/blobs/${digest.replace(":", "/")}`;
  }

  /** Leaves an unsigned verification record. */
  verifications(record: VerificationRequest, signal?: AbortSignal): Promise<VerificationReceipt> {
    return this.post("verifications", record, "", signal);
  }

  /** What a GET of a path below /api/v1 answers. */
  get<T>(path: string, parameters: Parameters, signal?: AbortSignal): Promise<T> {
    return this.#json(this.#address(path, parameters), signal ? { signal } : {});
  }

  /** What a POST answers; a bearer's token where there is one. */
  post<T>(path: string, body: unknown, token = "", signal?: AbortSignal): Promise<T> {
    return this.#json(this.#address(path, {}), {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });
  }

  #address(path: string, parameters: Parameters): string {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined && value !== "") search.set(name, String(value));
    }
    const query = search.toString();
    return `${this.#base}/api/v1/${path}${query && `?${query}`}`;
  }

  /** Rejects with ApiFailure, or with the signal's reason when it was aborted. */
  async #json<T>(address: string, init: RequestInit): Promise<T> {
    let response: Response;
    try {
      response = await this.#fetch(address, init);
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new ApiFailure("The server cannot be reached.", 0, "unreachable", "Look at the connection and try again.");
    }
    if (!response.ok) throw await failureOf(response);
    try {
      return (await response.json()) as T;
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new ApiFailure("The server's answer is no JSON.", response.status, "malformed", "Try again later.");
    }
  }
}
