import { type ReactNode, useEffect, useRef } from "react";
import { useRoute, useSite, useTheme } from "../state/react.ts";
import { themeAfter, themeIcons, themeNames } from "../state/theme.ts";
import { Link } from "./Link.tsx";
import { Mark } from "./Mark.tsx";
import "./shell.css";

const places = [
  { href: "/", label: "Closures", pages: ["closure"] },
  { href: "/d", label: "Datasets", pages: ["dataset"] },
  { href: "/sessions", label: "Sessions", pages: ["sessions", "start", "session", "join"] },
  { href: "/about", label: "About", pages: ["about"] },
];

/** What surrounds every page; the server draws the same around lists (api/lists.tmpl). */
export function Shell({ children }: { readonly children: ReactNode }) {
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const path = "ref" in route ? `${route.page}/${route.ref}` : route.page;
  const shown = useRef(path);
  useEffect(() => {
    // Whoever hears the page hears where they have come; the first page is announced by the browser itself.
    if (shown.current !== path) main.current?.focus({ preventScroll: true });
    shown.current = path;
  }, [path]);
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="top">
        <div className="top-inner">
          <Link className="top-name" href="/">
            <Mark />
            Reprise
          </Link>
          <nav aria-label="Site">
            {places.map(({ href, label, pages }) => (
              <Link key={href} href={href} aria-current={pages.includes(route.page) ? "page" : undefined}>
                {label}
              </Link>
            ))}
          </nav>
          <ThemeButton />
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
      <footer className="bottom">
        <div className="bottom-inner">
          <p>
            Nothing here has to be believed: it can be recomputed. <Link href="/about">How that works</Link>
          </p>
        </div>
      </footer>
    </>
  );
}

function ThemeButton() {
  const { theme: choice } = useSite();
  const theme = useTheme();
  return (
    <button
      type="button"
      className="top-theme"
      onClick={() => choice.set(themeAfter[choice.get()])}
      aria-label={`Colours: ${themeNames[theme]}. Change`}
    >
      <svg viewBox="0 0 20 20" aria-hidden="true">
        <circle cx="10" cy="10" r="7.5" fill="none" stroke="currentColor" strokeWidth="1.6" />
        <path d={themeIcons[theme]} fill="currentColor" />
      </svg>
      <span aria-hidden="true">{themeNames[theme]}</span>
    </button>
  );
}
