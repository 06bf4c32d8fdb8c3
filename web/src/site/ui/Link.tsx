import type { AnchorHTMLAttributes, MouseEvent } from "react";
import { useSite } from "../state/react.ts";
import { isDrawn } from "../state/route.ts";

interface Props extends AnchorHTMLAttributes<HTMLAnchorElement> {
  readonly href: string;
}

/** A link to another page of the site. With a modifier key, or to a page that the server draws, it is an ordinary link. */
export function Link({ href, onClick, ...rest }: Props) {
  const { location } = useSite();
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    const ordinary = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (event.defaultPrevented || !ordinary || isDrawn(href)) return;
    event.preventDefault();
    location.go(href);
  };
  return <a {...rest} href={href} onClick={follow} />;
}
