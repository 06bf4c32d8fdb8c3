import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App.tsx";
import { Api } from "./api/client.ts";
import { Location } from "./state/location.ts";
import { ThemeChoice } from "./state/theme.ts";
import "./ui/tokens.css";
import "./ui/base.css";

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no #root");
const site = { api: new Api(), location: new Location(window), theme: new ThemeChoice(window) };
createRoot(root).render(
  <StrictMode>
    <App site={site} />
  </StrictMode>,
);
