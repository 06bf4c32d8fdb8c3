import type { ClosureDetail } from "../api/types.ts";
import { closurePath, startPath } from "../state/route.ts";
import { Card } from "../ui/Card.tsx";
import { Command } from "../ui/Command.tsx";
import { Copy } from "../ui/Copy.tsx";
import { Digest } from "../ui/Digest.tsx";
import { Link } from "../ui/Link.tsx";

/** The digests that are the closure, an address that never means anything else, and commands for one's own machine. */
export function Identity({ detail }: { readonly detail: ClosureDetail }) {
  const { reference, closure } = detail;
  const ref = `${reference.name}:${reference.version}`;
  const permanent = closurePath(`${reference.name}@${reference.digest}`);
  return (
    <>
      <Card title="Identity">
        <Identified name="This closure" digest={reference.digest} />
        <Identified name="Engine" digest={closure.engine.digest} />
        <Identified name="Parameters" digest={closure.parameters.digest} />
        <Identified name="Run" digest={closure.run.digest} />
        <p className="row">
          <a href={permanent}>Permanent link</a>
          <Copy text={new URL(permanent, document.baseURI).href} what="the permanent link" />
        </p>
      </Card>
      <Card title="With others">
        <p className="soft">Train it further, or again, over many browsers and machines.</p>
        <p>
          <Link className="button button-plain" href={startPath(ref)}>
            Train together
          </Link>
        </p>
      </Card>
      <Card title="On your machine">
        <Command text={`reprise verify ${ref}`} />
        <Command text={`reprise replay ${ref}`} />
        <Command text={`reprise pull ${ref} -o ${reference.name}`} />
        <Command text={`reprise resume ${ref} --steps 100 -o next`} />
      </Card>
    </>
  );
}

function Identified({ name, digest }: { readonly name: string; readonly digest: string }) {
  return (
    <div className="identified">
      <h3>{name}</h3>
      <Digest digest={digest} picture short copy />
    </div>
  );
}
