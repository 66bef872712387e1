// Keys: Ctrl/⌘ K palette, `/` filter, `j` `k` rows, `x` select, `Enter` open, `?` legend, `Esc` closes the top layer only.

export function startKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") return done(event, openPalette());
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return done(event, closeTop());
    if (document.querySelector("dialog[open]") || typing(event.target)) return;
    const act = plain[event.key];
    if (act) done(event, act());
  });
  document.addEventListener("click", (event) => {
    const target = event.target as Element | null;
    const plainClick = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (plainClick && target?.closest("[data-palette-open]")) done(event, openPalette());
    // A menu closes when the pointer goes elsewhere.
    for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
      if (!menu.contains(target)) menu.open = false;
    }
  });
}

const plain: Record<string, () => boolean> = {
  "/": () => focus("[data-filter]"),
  "?": () => follow(".rail-help"),
  j: () => move(1),
  k: () => move(-1),
  x: select,
  Enter: () => !(document.activeElement instanceof HTMLAnchorElement || document.activeElement instanceof HTMLButtonElement) && open(),
};

function done(event: Event, handled: boolean): void {
  if (handled) event.preventDefault();
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input:not([type=checkbox]):not([type=radio]), textarea, select"));
}

/** Only when the island is there to hear it; before that the link leads to the page that does the same. */
function openPalette(): boolean {
  if (document.documentElement.dataset.islands !== "ready" || !document.querySelector("dialog.palette")) return false;
  document.dispatchEvent(new CustomEvent("tidewatch:palette"));
  return true;
}

function closeTop(): boolean {
  // An open dialog closes by itself.
  if (document.querySelector("dialog[open]")) return false;
  const menu = document.querySelector<HTMLDetailsElement>("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
    return true;
  }
  const focused = document.activeElement;
  if (focused instanceof HTMLElement && focused.matches("[data-filter]")) {
    focused.blur();
    return true;
  }
  return false;
}

function focus(selector: string): boolean {
  const field = document.querySelector<HTMLElement>(selector);
  field?.focus();
  return field !== null;
}

function follow(selector: string): boolean {
  const link = document.querySelector<HTMLAnchorElement>(selector);
  link?.click();
  return link !== null;
}

const rows = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>("table[role=table] > tbody > tr")];
const current = (): HTMLElement | undefined => rows().find((row) => row.contains(document.activeElement));

function move(by: number): boolean {
  const all = rows();
  if (all.length === 0) return false;
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
  if (!next) return false;
  next.tabIndex = -1;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
}

function select(): boolean {
  const box = current()?.querySelector<HTMLInputElement>("input[type=checkbox]");
  box?.click();
  return box !== undefined && box !== null;
}

function open(): boolean {
  const link = current()?.querySelector<HTMLAnchorElement>("th a, td a");
  link?.click();
  return link !== undefined && link !== null;
}
