import type { Digest as DigestText } from "../../gen/schema.ts";
import { Copy } from "./Copy.tsx";
import "./digest.css";

interface Props {
  readonly digest: DigestText | string;
  /** Twelve digits instead of all of them. */
  readonly short?: boolean;
  /** Offers to copy the whole. */
  readonly copy?: boolean;
  /** Draws the digest, so that eyes can compare two of them. */
  readonly picture?: boolean;
}

export function Digest({ digest, short, copy, picture }: Props) {
  const hex = digest.replace(/^sha256:/, "");
  return (
    <span className="digest">
      {picture && <DigestPicture digest={digest} />}
      <code className="digest-text" title={digest}>
        {short ? `sha256:${hex.slice(0, 12)}…` : digest}
      </code>
      {copy && <Copy text={digest} what="the digest" />}
    </span>
  );
}

/** The 64 digits as 64 bars: equal pictures, equal digests. */
export function DigestPicture({ digest }: { readonly digest: string }) {
  const hex = digest.replace(/^sha256:/, "").slice(0, 64);
  const bars = Array.from(hex, (digit, i) => {
    const height = 2 + (Number.parseInt(digit, 16) || 0);
    return `M${i * 2 + 0.5} ${9 - height / 2}v${height}`;
  });
  return (
    <svg className="digest-picture" viewBox="0 0 128 18" aria-hidden="true" preserveAspectRatio="none">
      <path d={bars.join("")} />
    </svg>
  );
}
