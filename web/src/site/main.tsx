import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App.tsx";
import { Api } from "./api/client.ts";
import { First } from "./state/first.ts";
import { Location } from "./state/location.ts";
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

createRoot(root).render(
  <StrictMode>
    <App site={site} />
  </StrictMode>,
);
