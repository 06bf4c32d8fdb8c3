import { count } from "../state/format.ts";
import { useLoaded } from "../state/react.ts";
import { useTitle } from "../state/title.ts";
import { Card } from "../ui/Card.tsx";
import { Command } from "../ui/Command.tsx";
import { Cover } from "../ui/Cover.tsx";
import { Facts } from "../ui/Facts.tsx";
import { Text } from "../ui/Text.tsx";
import "./about.css";

/** What the place is and why its numbers can be trusted. */
export default function About() {
  useTitle("About");
  const { value } = useLoaded("about", (api, _key, signal) => api.about(signal));
  return (
    <>
      <Cover>
        <h1>The same numbers, anywhere</h1>
      </Cover>
      <div className="page about">
        <Card title="What a closure is">
          <p>
            A research closure is one archived result, complete: the model’s specification, the algorithm that trained
            it, its code, its parameters, the data it names, the journal of its training, and what its authors claim.
            Every file in it is named by its sha256, and the closure by the sha256 of that list. Change a byte and it is
            another closure.
          </p>
        </Card>
        <Card title="Why it plays back exactly">
          <p>
            The code is a WebAssembly engine, compiled from the specification by a compiler that always gives the same
            bytes. Engines compute the same bits in every browser and on every server. Training is cut into fixed pieces
            whose results are integers, so their sum does not depend on who computed which. An accuracy is a pair of
            integers and is checked by equality, not by tolerance.
          </p>
        </Card>
        <Card title="What is checked, and where">
          <ul>
            <li>
              <strong>Integrity.</strong> Your tab compares every byte it fetches with the digest that names it.
            </li>
            <li>
              <strong>Derivation.</strong> This server recompiles the specification and compares engines, and so does
              your tab if you ask it to. An engine that does not derive is called foreign, and is judged by blind claims
              alone.
            </li>
            <li>
              <strong>Blind evaluation.</strong> Predictions see inputs and never targets; the counting is done outside
              the engine.
            </li>
            <li>
              <strong>Replay.</strong> Your tab trains again from the seed and compares every checkpoint’s digest.
            </li>
          </ul>
          <p>
            Visitors can leave what they found as an unsigned record. It says only that somebody says so, and is counted
            apart from signed ones.
          </p>
        </Card>
        <Card title="Without this site">
          <p>The command line does the same, and needs no server:</p>
          <Command text="reprise verify NAME:VERSION" />
          <Command text="reprise replay NAME:VERSION" />
        </Card>
        <Card title="This zoo">
          <div className="about-facts">
            {value !== undefined && (
              <Facts
                facts={[
                  { name: "Service", value: <Text max={80}>{`${value.name} ${value.version}`}</Text> },
                  { name: "Store", value: <Text max={80}>{value.store.kind}</Text> },
                  ...Object.entries(value.counts).map(([name, n]) => ({ name: capital(name), value: count(n) })),
                ]}
              />
            )}
          </div>
        </Card>
      </div>
    </>
  );
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1, 60);
}
