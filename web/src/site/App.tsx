import { lazy, type ReactNode, Suspense } from "react";
import { About } from "./pages/About.tsx";
import { Closures } from "./pages/Closures.tsx";
import { Datasets } from "./pages/Datasets.tsx";
import { Missing } from "./pages/Missing.tsx";
import { type Site, SiteContext, useRoute } from "./state/react.ts";
import { Boundary } from "./ui/Boundary.tsx";
import { Shell } from "./ui/Shell.tsx";
import { Loading } from "./ui/Status.tsx";

const ClosurePage = lazy(() => import("./pages/ClosurePage.tsx"));
const DatasetPage = lazy(() => import("./pages/DatasetPage.tsx"));

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
    case "closures":
      return <Closures parameters={route.search} />;
    case "closure":
      return <ClosurePage reference={route.ref} />;
    case "datasets":
      return <Datasets parameters={route.search} />;
    case "dataset":
      return <DatasetPage reference={route.ref} />;
    case "about":
      return <About />;
    case "missing":
      return <Missing title="There is no such page" />;
  }
}
