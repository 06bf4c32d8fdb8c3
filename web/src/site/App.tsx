import { lazy, type ReactNode, Suspense } from "react";
import { Missing } from "./pages/Missing.tsx";
import { type Site, SiteContext, useRoute } from "./state/react.ts";
import { Boundary } from "./ui/Boundary.tsx";
import { Shell } from "./ui/Shell.tsx";
import { Loading } from "./ui/Status.tsx";

const About = lazy(() => import("./pages/About.tsx"));
const ClosurePage = lazy(() => import("./pages/ClosurePage.tsx"));
const DatasetPage = lazy(() => import("./pages/DatasetPage.tsx"));
const Sessions = lazy(() => import("./session/Sessions.tsx"));
const StartPage = lazy(() => import("./session/StartPage.tsx"));
const SessionPage = lazy(() => import("./session/SessionPage.tsx"));
const JoinPage = lazy(() => import("./session/JoinPage.tsx"));

/** The pages that are applications; lists are the server's. */
export function App({ site }: { readonly site: Site }) {
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
  return (
    <Boundary key={key}>
      <Suspense fallback={<Loading what="the page" tall />}>{pageOf(route)}</Suspense>
    </Boundary>
  );
}

function pageOf(route: ReturnType<typeof useRoute>): ReactNode {
  switch (route.page) {
    case "closure":
      return <ClosurePage reference={route.ref} />;
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
