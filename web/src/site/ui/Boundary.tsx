import { Component, type ReactNode } from "react";
import { Failed } from "./Status.tsx";

interface Props {
  readonly children: ReactNode;
}

/** Keeps a failing part from taking the whole page with it. */
export class Boundary extends Component<Props, { readonly error: unknown }> {
  override readonly state: { readonly error: unknown } = { error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { error: error ?? new Error("unknown") };
  }

  override render() {
    const { error } = this.state;
    return error === undefined ? this.props.children : <Failed error={error} retry={() => window.location.reload()} />;
  }
}
