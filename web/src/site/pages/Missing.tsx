import { ApiFailure } from "../api/failure.ts";
import { useTitle } from "../state/title.ts";
import { Cover } from "../ui/Cover.tsx";
import { Link } from "../ui/Link.tsx";
import { Failed } from "../ui/Status.tsx";
import { Text } from "../ui/Text.tsx";

/** The page of an address that leads nowhere. */
export function Missing({ title, detail }: { readonly title: string; readonly detail?: string }) {
  useTitle(title);
  return (
    <>
      <Cover>
        <h1>{title}</h1>
      </Cover>
      <div className="page">
        {detail !== undefined && (
          <p>
            <Text>{detail}</Text>
          </p>
        )}
        <p>
          <Link href="/">All closures</Link> · <Link href="/d">All datasets</Link>
        </p>
      </div>
    </>
  );
}

/** The page of something that could not be loaded. */
export function Unloaded({ what, error, retry }: { what: string; error: unknown; retry: () => void }) {
  const absent = error instanceof ApiFailure && error.notFound;
  useTitle(absent ? `No such ${what}` : "Not loaded");
  if (absent) return <Missing title={`There is no such ${what}`} detail={error.message} />;
  return (
    <>
      <Cover>
        <h1>This {what} could not be loaded</h1>
      </Cover>
      <div className="page">
        <Failed error={error} retry={retry} />
      </div>
    </>
  );
}
