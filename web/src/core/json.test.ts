import { describe, expect, test } from "vitest";
import { canonical, Value } from "./json.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const parse = (text: string) => Value.parse("dataset.json", encode(text));

describe("Value", () => {
  const document = parse('{"splits": [{"records": 3, "name": "train"}], "half": 0.5, "none": null}');

  test("reads what is there", () => {
    const [split] = document.at("splits").elements();
    expect(split?.at("records").integer(1)).toBe(3);
    expect(split?.at("name").oneOf("test", "train")).toBe("train");
    expect(document.at("half").number()).toBe(0.5);
    expect(document.optional("absent")).toBeUndefined();
    expect(document.entries().map(([key]) => key)).toEqual(["splits", "half", "none"]);
  });

  test.each<[string, () => unknown, string]>([
    ["a missing member", () => document.at("classes"), 'dataset.json: "classes" is missing'],
    ["a member of a prototype", () => document.at("constructor"), 'dataset.json: "constructor" is missing'],
    ["a list that is none", () => document.at("half").elements(), "dataset.json: half: 0.5 is not a list"],
    ["an object that is none", () => document.at("none").at("x"), "dataset.json: none: null is not an object"],
    [
      "an integer too small",
      () => document.at("splits").elements()[0]?.at("records").integer(4),
      "dataset.json: splits[0].records: 3 is not an integer of at least 4",
    ],
    [
      "an integer too large",
      () => document.at("splits").elements()[0]?.at("records").integer(0, 2),
      "dataset.json: splits[0].records: 3 is not an integer from 0 to 2",
    ],
    ["a fraction", () => document.at("half").integer(), "dataset.json: half: 0.5 is not an integer of at least 0"],
    ["a text that is none", () => document.at("half").string(), "dataset.json: half: 0.5 is not a text"],
    ["a number that is none", () => document.at("none").number(), "dataset.json: none: null is not a number"],
    [
      "another choice",
      () => document.at("splits").elements()[0]?.at("name").oneOf("test"),
      'dataset.json: splits[0].name: "train" is not one of test',
    ],
    [
      "a digest that is none",
      () => document.at("splits").elements()[0]?.at("name").digest(),
      'dataset.json: splits[0].name: "train" is not a digest',
    ],
    ["what is not JSON", () => parse("{"), "dataset.json: it is not JSON"],
    ["what is not UTF-8", () => Value.parse("dataset.json", new Uint8Array([0xff])), "dataset.json: it is not UTF-8"],
  ])("refuses %s", (_, read, message) => {
    expect(read).toThrow(message);
  });
});

test("canonical sorts members at every depth and leaves undefined ones out", () => {
  const data = { b: [{ z: 1, a: "ä" }], a: 1e21, c: undefined, A: null };
  expect(canonical(data)).toBe('{"A":null,"a":1e+21,"b":[{"a":"ä","z":1}]}');
});
