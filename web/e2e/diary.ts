// What a page has said, for whoever has to find out why a test failed.

/** Lines that are kept, the last ones. */
const most = 12;

export class Diary {
  readonly address: string;
  readonly lines: string[] = [];
  readonly #began = Date.now();

  constructor(address: string) {
    this.address = address;
  }

  note(kind: string, text: string): void {
    const seconds = ((Date.now() - this.#began) / 1000).toFixed(1);
    this.lines.push(`${seconds} s ${kind}: ${text.replaceAll(/\s+/g, " ").slice(0, 200)}`);
    if (this.lines.length > most) this.lines.shift();
  }
}
