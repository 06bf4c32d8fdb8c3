// What this browser remembers of sessions: secrets of those that were started here, words by which a participation goes on,
// and the visitor's settings. Where storage is switched off, a page remembers for as long as it is open.

const memory = new Map<string, string>();

function read(storage: () => Storage, key: string): string {
  try {
    return storage().getItem(key) ?? memory.get(key) ?? "";
  } catch {
    return memory.get(key) ?? "";
  }
}

function write(storage: () => Storage, key: string, value: string): void {
  try {
    storage().setItem(key, value);
  } catch {
    memory.set(key, value);
  }
}

const local = () => localStorage;
/** Of this tab: another tab is another participant. */
const tab = () => sessionStorage;

export function ownerSecret(id: string): string {
  return read(local, `reprise.owner.${id}`);
}

export function keepOwnerSecret(id: string, secret: string): void {
  write(local, `reprise.owner.${id}`, secret);
}

export function resumeWord(id: string): string {
  return read(tab, `reprise.resume.${id}`);
}

export function keepResumeWord(id: string, word: string): void {
  write(tab, `reprise.resume.${id}`, word);
}

export function serverToken(): string {
  return read(tab, "reprise.token");
}

export function keepServerToken(token: string): void {
  write(tab, "reprise.token", token);
}

export function storedSettings(): string {
  return read(local, "reprise.participant");
}

export function keepSettings(text: string): void {
  write(local, "reprise.participant", text);
}
