// @vitest-environment jsdom
import { expect, test } from "vitest";
import { ThemeChoice } from "../site/state/theme.ts";
import { themeButton } from "./theme.ts";

test("the button leads through the colours, and says which", () => {
  document.body.innerHTML = "<button><svg><path></path></svg><span>Auto</span></button>";
  const button = document.querySelector("button") as HTMLButtonElement;
  themeButton(button, new ThemeChoice(window));
  expect(button.getAttribute("aria-label")).toBe("Colours: Auto. Change");
  button.click();
  expect(document.documentElement.dataset.theme).toBe("light");
  button.click();
  expect(document.documentElement.dataset.theme).toBe("dark");
  expect(button.textContent).toBe("Dark");
  expect(localStorage.getItem("reprise.theme")).toBe("dark");
  button.click();
  expect(document.documentElement.dataset.theme).toBeUndefined();
});
