// The button that chooses light or dark, on pages that the server draws; site/ui/Shell.tsx is the same for the others.

import { type ThemeChoice, themeAfter, themeIcons, themeNames } from "../site/state/theme.ts";

export function themeButton(button: HTMLButtonElement, choice: ThemeChoice): void {
  const show = () => {
    const theme = choice.get();
    button.setAttribute("aria-label", `Colours: ${themeNames[theme]}. Change`);
    button.querySelector("path")?.setAttribute("d", themeIcons[theme]);
    const name = button.querySelector("span");
    if (name) name.textContent = themeNames[theme];
  };
  button.addEventListener("click", () => choice.set(themeAfter[choice.get()]));
  choice.subscribe(show);
  show();
}
