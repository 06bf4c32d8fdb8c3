// Light or dark: the system's preference, unless the visitor has chosen. public/assets/theme-1.js reads the choice before
// the first paint.

export type Theme = "light" | "dark" | "system";

/** The order in which a button leads through them. */
export const themeAfter: Readonly<Record<Theme, Theme>> = { system: "light", light: "dark", dark: "system" };

export const themeNames: Readonly<Record<Theme, string>> = { system: "Auto", light: "Light", dark: "Dark" };

/** What is filled of the circle on the button: a half, nothing, all. */
export const themeIcons: Readonly<Record<Theme, string>> = {
  system: "M10 2.5a7.5 7.5 0 0 1 0 15z",
  light: "",
  dark: "M10 2.5a7.5 7.5 0 0 1 0 15 7.5 7.5 0 0 1 0-15z",
};

const key = "reprise.theme";

export class ThemeChoice {
  readonly #window: Window;
  readonly #listeners = new Set<() => void>();

  constructor(window: Window) {
    this.#window = window;
  }

  readonly get = (): Theme => {
    const theme = this.#window.document.documentElement.dataset.theme;
    return theme === "light" || theme === "dark" ? theme : "system";
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  set(theme: Theme): void {
    const { dataset } = this.#window.document.documentElement;
    if (theme === "system") delete dataset.theme;
    else dataset.theme = theme;
    try {
      if (theme === "system") this.#window.localStorage.removeItem(key);
      else this.#window.localStorage.setItem(key, theme);
    } catch {
      // Storage is switched off: the choice holds for this page.
    }
    for (const listener of this.#listeners) listener();
  }
}
