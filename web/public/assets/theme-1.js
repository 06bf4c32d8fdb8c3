// Runs before the first paint, so that a chosen theme never flashes. src/site/state/theme.ts is the other half. Its name
// counts its versions, because what is in /assets never changes under its name.
try {
  const theme = localStorage.getItem("reprise.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the system's preference holds.
}
