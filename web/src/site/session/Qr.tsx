import encodeQR from "qr";

/** An address for the camera of a telephone. Its ground is white in the dark, too: not every camera reads it otherwise. */
export function Qr({ address }: { readonly address: string }) {
  const modules = encodeQR(address, "raw", { ecc: "medium", border: 2 });
  const path = modules.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return (
    <svg
      className="qr"
      viewBox={`0 0 ${modules.length} ${modules.length}`}
      role="img"
      aria-label={`QR code of ${address}`}
    >
      <path d={path} shapeRendering="crispEdges" />
    </svg>
  );
}
