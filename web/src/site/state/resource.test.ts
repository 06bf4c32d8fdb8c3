import { expect, test, vi } from "vitest";
import { Resource } from "./resource.ts";

/** A resource whose loads end when the test says so. */
function controlled() {
  const loads: { key: string; signal: AbortSignal; done: (value: string) => void; fail: (error: Error) => void }[] = [];
  const resource = new Resource<string>(
    (key, signal) => new Promise((done, fail) => loads.push({ key, signal, done, fail })),
  );
  return { resource, loads };
}

test("loads what is wanted, once", async () => {
  const { resource, loads } = controlled();
  const changes = vi.fn();
  resource.subscribe(changes);
  resource.want("a");
  resource.want("a");
  expect(loads).toHaveLength(1);
  loads[0]?.done("A");
  await vi.waitFor(() => expect(resource.get()).toMatchObject({ key: "a", value: "A", loading: false }));
  expect(changes).toHaveBeenCalledTimes(2);
});

test("another key drops what is under way, and its late answer", async () => {
  const { resource, loads } = controlled();
  resource.want("a");
  resource.want("b");
  expect(loads[0]?.signal.aborted).toBe(true);
  loads[1]?.done("B");
  loads[0]?.done("A");
  await vi.waitFor(() => expect(resource.get().value).toBe("B"));
});

test("the old value stays while a new one loads, and goes with a failure", async () => {
  const { resource, loads } = controlled();
  resource.want("a");
  loads[0]?.done("A");
  await vi.waitFor(() => expect(resource.get().value).toBe("A"));
  resource.want("b");
  expect(resource.get()).toMatchObject({ value: "A", loading: true });
  loads[1]?.fail(new Error("no"));
  await vi.waitFor(() => expect(resource.get()).toMatchObject({ value: undefined, error: new Error("no") }));
  resource.retry();
  loads[2]?.done("B");
  await vi.waitFor(() => expect(resource.get()).toMatchObject({ value: "B", error: undefined }));
});

test("what was stopped can be wanted again", () => {
  const { resource, loads } = controlled();
  resource.want("a");
  resource.stop();
  expect(loads[0]?.signal.aborted).toBe(true);
  resource.want("a");
  expect(loads).toHaveLength(2);
});
