import { StrictMode } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { App } from "./App.tsx";
import { Api } from "./api/client.ts";
import { First } from "./state/first.ts";
import { Location } from "./state/location.ts";
import { askedFor } from "./state/query.ts";
import { ThemeChoice } from "./state/theme.ts";
import "./ui/tokens.css";
import "./ui/base.css";

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no #root");
const location = new Location(window);
const written = document.getElementById("first")?.textContent;
const site = {
  api: new Api(),
  location,
  theme: new ThemeChoice(window),
  ...(written && { first: new First(location.route, written) }),
};

// What a visitor chose or typed in the page that the server drew, before this script was there.
const form = document.querySelector<HTMLFormElement>("form#search");
const asked = form && askedFor(location.route, new FormData(form));

function ready(): void {
  if (asked) location.replace(asked);
  performance.mark("ready"); // bench/front.test.ts measures when
}

const app = (
  <StrictMode>
    <App site={site} onReady={ready} />
  </StrictMode>
);
if (form) hydrateRoot(root, app);
else createRoot(root).render(app);
