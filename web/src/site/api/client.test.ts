import { describe, expect, test } from "vitest";
import { Api } from "./client.ts";
import { ApiFailure } from "./failure.ts";

interface Call {
  readonly address: string;
  readonly init: RequestInit | undefined;
}

/** An Api whose requests are noted down, and answered as given. */
function noted(answer: () => Response | Promise<Response>): { api: Api; calls: Call[] } {
  const calls: Call[] = [];
  const api = new Api("", async (address, init) => {
    calls.push({ address: String(address), init });
    return answer();
  });
  return { api, calls };
}

const empty = () => Response.json({});

describe("addresses", () => {
  test.each<[string, (api: Api) => Promise<unknown>, string]>([
    ["a plain list", (api) => api.closures({}), "/api/v1/closures"],
    ["empty means absent", (api) => api.closures({ q: "", offset: 0 }), "/api/v1/closures?offset=0"],
    [
      "a search",
      (api) => api.closures({ q: "a b&c", task: "t", sort: "name", limit: 24 }),
      "/api/v1/closures?q=a+b%26c&task=t&sort=name&limit=24",
    ],
    ["a closure", (api) => api.closure("x:1.0.0"), "/api/v1/closure?ref=x%3A1.0.0"],
    ["a curve", (api) => api.curve("x", 400), "/api/v1/closure/curve?ref=x&points=400"],
    ["a derivation", (api) => api.derivation("x"), "/api/v1/closure/derivation?ref=x"],
    ["datasets", (api) => api.datasets({ q: "d" }), "/api/v1/datasets?q=d"],
    ["a dataset", (api) => api.dataset("d"), "/api/v1/dataset?ref=d"],
    ["rows", (api) => api.rows("d", "train", 20), "/api/v1/dataset/rows?ref=d&split=train&limit=20"],
    ["about", (api) => api.about(), "/api/v1/about"],
  ])("%s", async (_, ask, address) => {
    const { api, calls } = noted(empty);
    await ask(api);
    expect(calls.map((c) => c.address)).toEqual([address]);
  });

  test("bytes and sheets", () => {
    const { api } = noted(empty);
    expect(api.blob("sha256:ab")).toBe("/blobs/sha256/ab");
    expect(api.sheet("d@sha256:ab", "a&b", 16, 6)).toBe(
      "/api/v1/dataset/sheet?ref=d%40sha256%3Aab&split=a%26b&columns=16&rows=6",
    );
  });
});

describe("failures", () => {
  test("a problem document gives its detail, code and hint", async () => {
    const body = {
      type: "about:blank",
      title: "Not Found",
      status: 404,
      detail: "x: not found",
      code: "not-found",
      hint: "look",
    };
    const { api } = noted(() =>
      Response.json(body, { status: 404, headers: { "Content-Type": "application/problem+json" } }),
    );
    await expect(api.closure("x")).rejects.toMatchObject({
      name: "ApiFailure",
      message: "x: not found",
      status: 404,
      code: "not-found",
      hint: "look",
      notFound: true,
    });
  });

  test.each<[string, () => Response]>([
    ["no document", () => new Response("<h1>Bad gateway</h1>", { status: 502 })],
    [
      "a document that is none",
      () => new Response("{", { status: 502, headers: { "Content-Type": "application/json" } }),
    ],
    ["a document of another kind", () => Response.json(null, { status: 502 })],
  ])("%s still says the status", async (_, answer) => {
    const { api } = noted(answer);
    await expect(api.about()).rejects.toMatchObject({
      status: 502,
      message: "The server answered 502.",
      code: "unknown",
    });
  });

  test("an unreachable server", async () => {
    const { api } = noted(() => Promise.reject(new TypeError("Failed to fetch")));
    await expect(api.about()).rejects.toMatchObject({ status: 0, code: "unreachable" });
  });

  test("an answer that is no JSON", async () => {
    const { api } = noted(() => new Response("<html>"));
    await expect(api.about()).rejects.toMatchObject({ status: 200, code: "malformed" });
  });

  test("what was given up is not a failure of the server", async () => {
    const controller = new AbortController();
    controller.abort();
    const { api } = noted(() => Promise.reject(controller.signal.reason));
    await expect(api.about(controller.signal)).rejects.not.toBeInstanceOf(ApiFailure);
  });
});

test("a verification record is posted as JSON", async () => {
  const { api, calls } = noted(() => Response.json({ digest: "sha256:ab" }, { status: 201 }));
  const record = {
    closure: "sha256:cd" as never,
    mode: "verify",
    verdict: "reproduced",
    claims: [],
    runtime: { browser: "b", os: "o", workers: 1 },
  } as const;
  expect(await api.verifications(record)).toEqual({ digest: "sha256:ab" });
  expect(calls[0]?.init?.method).toBe("POST");
  expect(JSON.parse(String(calls[0]?.init?.body))).toEqual(record);
});
