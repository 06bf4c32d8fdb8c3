import { lazy, type ReactNode, Suspense } from "react";
import type { ClosureDetail } from "../api/types.ts";
import { Cite } from "../closure/Cite.tsx";
import { Claims } from "../closure/Claims.tsx";
import { Data } from "../closure/Data.tsx";
import { useDerivation } from "../closure/derivation.ts";
import { Files } from "../closure/Files.tsx";
import { Head } from "../closure/Head.tsx";
import { Identity } from "../closure/Identity.tsx";
import { Lineage } from "../closure/Lineage.tsx";
import { ModelSection } from "../closure/Model.tsx";
import { Training, useCurve } from "../closure/Training.tsx";
import { Markdown } from "../markdown/Markdown.tsx";
import { useLoaded } from "../state/react.ts";
import { useTitle } from "../state/title.ts";
import { Boundary } from "../ui/Boundary.tsx";
import { Card } from "../ui/Card.tsx";
import { Loading } from "../ui/Status.tsx";
import { clip } from "../ui/Text.tsx";
import { Withdrawn } from "../ui/Withdrawn.tsx";
import { Unloaded } from "./Missing.tsx";
import "./closure.css";

// What recomputes comes after what is read: a visitor who only reads does not wait for it.
const Reproduce = lazy(() => import("../reproduce/Reproduce.tsx"));
const TryIt = lazy(() => import("../tryit/TryIt.tsx"));

/** All that there is to know about a closure, and the means to check it. */
export default function ClosurePage({ reference }: { readonly reference: string }) {
  const { value, error, retry } = useLoaded(reference, (api, ref, signal) => api.closure(ref, signal));
  if (error !== undefined) return <Unloaded what="closure" error={error} retry={retry} />;
  return value === undefined ? <Loading what="the closure" tall /> : <Shown detail={value} />;
}

const sections = [
  { id: "reproduce", label: "Reproduce" },
  { id: "try", label: "Try it" },
  { id: "claims", label: "Claims" },
  { id: "card", label: "Card" },
  { id: "model", label: "Model" },
  { id: "training", label: "Training" },
  { id: "data", label: "Data" },
  { id: "files", label: "Files" },
  { id: "lineage", label: "Lineage" },
  { id: "cite", label: "Cite" },
];

function Shown({ detail }: { readonly detail: ClosureDetail }) {
  const { closure, reference, readme } = detail;
  const title = closure.title || reference.name;
  useTitle(clip(title, 80));
  const curve = useCurve(detail);
  const derivation = useDerivation(detail);
  return (
    <>
      <Head detail={detail} derivation={derivation.derivation} curve={curve.value} />
      <nav className="sections" aria-label="Sections of this page">
        {/* The bar scrolls where it is too narrow; its links are what the keyboard reaches. */}
        <ul>
          {sections.map(({ id, label }) => (
            <li key={id}>
              <a href={`#${id}`}>{label}</a>
            </li>
          ))}
        </ul>
      </nav>
      <div className="page closure">
        {detail.withdrawn !== null && <Withdrawn withdrawal={detail.withdrawn} />}
        <div className="closure-main">
          <Later id="reproduce" what="what reproduces" className="closure-reproduce">
            <Reproduce closure={detail} />
          </Later>
          <Later id="try" what="what predicts" className="closure-try">
            <TryIt closure={detail} />
          </Later>
          <Claims detail={detail} derivation={derivation} />
          <Card id="card" title="Card">
            <Boundary>
              {readme.trim() === "" ? (
                <p className="soft">Its author has written nothing about it.</p>
              ) : (
                <Markdown text={readme} title={title} />
              )}
            </Boundary>
          </Card>
          <ModelSection detail={detail} />
          <Training curve={curve} />
          <Data detail={detail} />
          <Files detail={detail} />
          <Lineage detail={detail} />
          <Cite detail={detail} />
        </div>
        <aside className="closure-aside" aria-label="Identity and commands">
          <Identity detail={detail} />
        </aside>
      </div>
    </>
  );
}

interface LaterProps {
  readonly id: string;
  readonly what: string;
  readonly className: string;
  readonly children: ReactNode;
}

/** Keeps the room of a part that is loaded after the page, and keeps its failures to itself. */
function Later({ id, what, className, children }: LaterProps) {
  return (
    <div id={id} className={`later ${className}`}>
      <Boundary>
        <Suspense fallback={<Loading what={what} />}>{children}</Suspense>
      </Boundary>
    </div>
  );
}
