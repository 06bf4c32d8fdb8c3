// The search of a list. Its form works without this: the server answers it with a page. Here the same page is fetched as soon as
// something is typed or chosen, and what differs in it is exchanged, so that the field keeps the focus.

/** How long typing must rest before it is searched for, in milliseconds. */
const rest = 150;

export class Search {
  readonly #form: HTMLFormElement;
  readonly #fetch: typeof fetch;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #controller = new AbortController();
  /** Address of what is shown, or on its way. */
  #shown: string;

  constructor(form: HTMLFormElement, fetcher: typeof fetch = (input, init) => fetch(input, init)) {
    this.#form = form;
    this.#fetch = fetcher;
    this.#shown = addressOf(form.getAttribute("action") ?? "/", drawn(form));
  }

  /** Listens, and looks at what was typed or chosen before. */
  start(): void {
    const now = () => this.#look();
    this.#form.addEventListener("input", () => this.#look(rest)); // choices belong to the form, but lie outside of it
    document.addEventListener("change", (event) => {
      if (event.target instanceof HTMLSelectElement && event.target.form === this.#form) now();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      now();
    });
    now();
  }

  #look(after = 0): void {
    clearTimeout(this.#timer);
    if (after > 0) {
      this.#timer = setTimeout(() => this.#look(), after);
      return;
    }
    const address = addressOf(this.#form.getAttribute("action") ?? "/", new FormData(this.#form));
    if (address !== this.#shown) void this.#show(address);
  }

  async #show(address: string): Promise<void> {
    this.#shown = address;
    this.#controller.abort();
    const controller = new AbortController();
    this.#controller = controller;
    // One step in the history for a search, and not one for each letter.
    history.replaceState(null, "", address);
    const list = document.getElementById("list");
    list?.setAttribute("aria-busy", "true");
    try {
      const response = await this.#fetch(address, { signal: controller.signal });
      const text = await response.text();
      if (controller.signal.aborted) return;
      if (!response.ok) throw new Error(`The server answers with ${response.status}.`);
      this.#exchange(text);
    } catch (error) {
      if (controller.signal.aborted) return;
      const known = error instanceof Error && !(error instanceof TypeError);
      list?.replaceChildren(this.#failure(known ? error.message : "The server cannot be reached.", address));
    }
    list?.setAttribute("aria-busy", "false");
  }

  /** Takes the parts of another page of the same list. */
  #exchange(text: string): void {
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const part of page.querySelectorAll("[data-part]")) {
      const here = document.getElementById(part.id);
      const chosen = part instanceof HTMLSelectElement ? part.value : undefined;
      here?.replaceChildren(...part.childNodes);
      if (here instanceof HTMLSelectElement && chosen !== undefined) here.value = chosen;
    }
  }

  #failure(message: string, address: string): HTMLElement {
    const box = document.createElement("div");
    box.className = "failed";
    box.role = "alert";
    const says = document.createElement("p");
    says.textContent = message;
    const again = document.createElement("button");
    again.type = "button";
    again.className = "button button-plain";
    again.textContent = "Try again";
    again.addEventListener("click", () => void this.#show(address));
    box.append(says, again);
    return box;
  }
}

/** Where the form leads, without what is empty, so that the address of a whole list stays short. */
function addressOf(action: string, data: FormData): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of data) if (typeof value === "string" && value !== "") parameters.set(name, value);
  const text = parameters.toString();
  return text ? `${action}?${text}` : action;
}

/** The form as the server drew it: what was typed or chosen since then differs. */
function drawn(form: HTMLFormElement): FormData {
  const data = new FormData();
  for (const field of form.elements) {
    if (field instanceof HTMLInputElement) data.set(field.name, field.defaultValue);
    if (field instanceof HTMLSelectElement) {
      const options = [...field.options];
      data.set(field.name, (options.find((o) => o.defaultSelected) ?? options[0])?.value ?? "");
    }
  }
  return data;
}
