// What a list, which the server draws, needs of script: its search answers as one types, and its colours can be chosen.

import { ThemeChoice } from "../site/state/theme.ts";
import { Search } from "./search.ts";
import { themeButton } from "./theme.ts";

const button = document.querySelector<HTMLButtonElement>("button.top-theme");
if (button) themeButton(button, new ThemeChoice(window));
const form = document.querySelector<HTMLFormElement>("form#search");
if (form) new Search(form).start();
performance.mark("ready"); // bench/front.test.ts measures when
