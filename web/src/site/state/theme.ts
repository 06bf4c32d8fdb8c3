// Light or dark: the system's preference, unless the visitor has chosen. public/assets/theme-1.js reads the choice before
// the first paint.

export type Theme = "light" | "dark" | "system";

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
