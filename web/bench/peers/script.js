/** Runs a classic script, which leaves what it defines in window. */
export function loadScript(address) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${address} cannot be loaded; is it installed?`));
    document.head.append(script);
  });
}
