// Before the first paint: the theme that was chosen, and the mark that scripts run. A script of its own, so that nothing flashes;
// imports nothing, because it is loaded as a classic script.
//
// Three ways: system (nothing stored), light, dark. The button goes round; the palette names one (`tidewatch:theme`).

(() => {
  const key = "tidewatch-theme";
  const root = document.documentElement;
  root.dataset.js = "";

  const read = (): string | null => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // A private window: the choice lasts as long as the page.
    }
  };

  const apply = (theme: string | null): void => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };

  const choose = (theme: string): void => {
    apply(theme);
    try {
      if (root.dataset.theme) localStorage.setItem(key, root.dataset.theme);
      else localStorage.removeItem(key);
    } catch {
      // As above.
    }
    document.dispatchEvent(new CustomEvent("tidewatch:themed"));
  };

  apply(read());

  // From what is seen to its opposite, and from a choice back to the system's.
  const next = (): string => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const other = dark ? "light" : "dark";
    const now = root.dataset.theme ?? "system";
    if (now === "system") return other;
    return now === other ? (dark ? "dark" : "light") : "system";
  };

  const says: Record<string, string> = { system: "Theme: as the system says", light: "Theme: light", dark: "Theme: dark" };
  document.addEventListener("click", (event) => {
    const button = (event.target as Element | null)?.closest<HTMLElement>("[data-theme-toggle]");
    if (!button) return;
    choose(next());
    const word = says[root.dataset.theme ?? "system"] ?? "";
    button.setAttribute("aria-label", word);
    button.title = word;
  });
  document.addEventListener("tidewatch:theme", (event) => choose(String((event as CustomEvent).detail)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new CustomEvent("tidewatch:themed")));
})();
