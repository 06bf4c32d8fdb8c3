import { lazy, type ReactNode, Suspense, useEffect } from "react";
import { Closures } from "./pages/Closures.tsx";
import { Missing } from "./pages/Missing.tsx";
import { type Site, SiteContext, useRoute } from "./state/react.ts";
import { Boundary } from "./ui/Boundary.tsx";
import { Shell } from "./ui/Shell.tsx";
import { Loading } from "./ui/Status.tsx";

// The front page is what most visitors see first: it alone comes with the site itself.
const About = lazy(() => import("./pages/About.tsx"));
const Datasets = lazy(() => import("./pages/Datasets.tsx"));
const ClosurePage = lazy(() => import("./pages/ClosurePage.tsx"));
const DatasetPage = lazy(() => import("./pages/DatasetPage.tsx"));
const Sessions = lazy(() => import("./session/Sessions.tsx"));
const StartPage = lazy(() => import("./session/StartPage.tsx"));
const SessionPage = lazy(() => import("./session/SessionPage.tsx"));
const JoinPage = lazy(() => import("./session/JoinPage.tsx"));

interface Props {
  readonly site: Site;
  /** Called once, when the page answers. */
  readonly onReady?: () => void;
}

export function App({ site, onReady }: Props) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: once.
  useEffect(() => onReady?.(), []);
  return (
    <SiteContext value={site}>
      <Shell>
        <Page />
      </Shell>
    </SiteContext>
  );
}

function Page() {
  const route = useRoute();
  // A key of its own for each object: nothing of one page stays visible on the next.
  const key = "ref" in route ? `${route.page}/${route.ref}` : route.page;
  const page = pageOf(route);
  return (
    <Boundary key={key}>
      {/* The front page is here already, and as the server draws it: without the marks of a Suspense. */}
      {route.page === "closures" ? page : <Suspense fallback={<Loading what="the page" tall />}>{page}</Suspense>}
    </Boundary>
  );
}

function pageOf(route: ReturnType<typeof useRoute>): ReactNode {
  switch (route.page) {
    case "closures":
      return <Closures parameters={route.search} />;
    case "closure":
      return <ClosurePage reference={route.ref} />;
    case "datasets":
      return <Datasets parameters={route.search} />;
    case "dataset":
      return <DatasetPage reference={route.ref} />;
    case "sessions":
      return <Sessions />;
    case "start":
      return <StartPage parameters={route.search} />;
    case "session":
      return <SessionPage id={route.ref} />;
    case "join":
      return <JoinPage id={route.ref} />;
    case "about":
      return <About />;
    case "missing":
      return <Missing title="There is no such page" />;
  }
}
