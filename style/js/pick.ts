// Ticking rows: the boxes that tick all rows of the page, how many are ticked, and what has come since. Fetched where there is such a form.
//
// Without it every box still works; the form sends what is ticked. Nothing moves under what is ticked (`live.ts` holds the page):
// what has come meanwhile is counted here, and is let in when somebody asks for it, with the same rows ticked after as before.

/** Between two looks at what has come. */
const LOOK_GAP_MS = 1_000;

let last = -Infinity;
let timer: number | undefined;
/** Ticked rows that were no longer there when the page was let move. */
let lost = 0;

const forms = (): HTMLFormElement[] => [...document.querySelectorAll<HTMLFormElement>("form.pick")];
const rows = (form: Element | null): HTMLElement[] => [...(form?.querySelectorAll<HTMLElement>("tbody tr[id]") ?? [])];
const boxes = (form: HTMLFormElement): HTMLInputElement[] => [...form.querySelectorAll<HTMLInputElement>("tbody input[type=checkbox]")];
const heads = (form: HTMLFormElement): HTMLInputElement[] => [...form.querySelectorAll<HTMLInputElement>("[data-check-all]")];
const everything = (form: HTMLFormElement): HTMLInputElement | null => form.querySelector("input[name=all]");
const holds = (form: HTMLFormElement): boolean => form.querySelector("input:checked") !== null;
const pill = (form: HTMLFormElement): HTMLButtonElement | null => form.querySelector("[data-pick-newer]");

function start(): void {
  document.addEventListener("change", ({ target }) => {
    if (!(target instanceof HTMLInputElement) || target.type !== "checkbox") return;
    const form = target.closest<HTMLFormElement>("form.pick");
    if (!form) return;
    if (target.matches("[data-check-all]")) for (const box of boxes(form)) box.checked = target.checked;
    lost = 0;
    tell(form);
  });
  document.addEventListener("click", ({ target }) => {
    const form = target instanceof Element ? target.closest("[data-pick-newer]")?.closest<HTMLFormElement>("form.pick") : null;
    if (form) letIn(form);
  });
  document.addEventListener("tidewatch:refresh", plan);
  document.addEventListener("tidewatch:morphed", () => forms().forEach(tell));
  // What the browser ticked again when somebody came back.
  window.addEventListener("pageshow", () => forms().forEach(tell));
  for (const form of forms()) {
    // The head was ticked before this was here to hear it.
    if (heads(form).some((head) => head.checked)) for (const box of boxes(form)) box.checked = true;
    tell(form);
  }
}

/** Brings what the bar says in line with what is ticked. */
function tell(form: HTMLFormElement): void {
  const all = boxes(form);
  const ticked = all.filter((box) => box.checked).length;
  for (const head of heads(form)) {
    head.checked = ticked > 0 && ticked === all.length;
    head.indeterminate = ticked > 0 && ticked < all.length;
  }
  const words = form.querySelector<HTMLElement>("[data-pick-count]");
  if (words) {
    words.hidden = !holds(form) && lost === 0;
    const gone = lost > 0 ? `, ${lost} no longer listed` : "";
    words.textContent = everything(form)?.checked ? "all that match, on every page" : `${ticked} ticked${gone}`;
  }
  const newer = pill(form);
  if (newer && !holds(form)) newer.hidden = true;
}

/** Something has changed in the store: looks what it means for a table that stands still. */
function plan(): void {
  if (timer !== undefined || document.hidden || !forms().some(holds)) return;
  timer = window.setTimeout(() => {
    timer = undefined;
    last = performance.now();
    void look();
  }, Math.max(0, last + LOOK_GAP_MS - performance.now()));
}

async function look(): Promise<void> {
  let fresh: Document;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
    if (!answer.ok || answer.redirected) return;
    fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    // The network is away: the stamp says so.
    return;
  }
  for (const form of forms().filter(holds)) {
    const newer = pill(form);
    if (!newer) continue;
    const words = difference(rows(form), rows(fresh.getElementById(form.id)));
    newer.hidden = words === "";
    newer.textContent = words;
  }
}

/** `2 newer, 1 gone`; nothing when the rows are the same and in the same state. */
function difference(here: HTMLElement[], there: HTMLElement[]): string {
  const state = (row: HTMLElement): string => row.querySelector("[data-label=State]")?.textContent ?? "";
  const known = new Map(here.map((row) => [row.id, state(row)]));
  const now = new Map(there.map((row) => [row.id, state(row)]));
  const newer = [...now.keys()].filter((id) => !known.has(id)).length;
  const gone = [...known.keys()].filter((id) => !now.has(id)).length;
  const changed = [...now].filter(([id, word]) => (known.get(id) ?? word) !== word).length;
  const parts = [[newer, "newer"], [gone, "gone"], [changed, "changed"]] as const;
  return parts.filter(([n]) => n > 0).map(([n, word]) => `${n} ${word}`).join(", ");
}

/** Lets the page move once, and ticks again what was ticked and is still there. */
function letIn(form: HTMLFormElement): void {
  const kept = boxes(form).filter((box) => box.checked).map((box) => box.value);
  const all = everything(form)?.checked ?? false;
  for (const box of form.querySelectorAll<HTMLInputElement>("input:checked")) box.checked = false;
  const ends = ["tidewatch:morphed", "tidewatch:failed", "tidewatch:held"];
  const again = (): void => {
    for (const end of ends) document.removeEventListener(end, again);
    const now = document.querySelector<HTMLFormElement>(`#${form.id}`);
    if (!now) return;
    for (const box of boxes(now)) box.checked = kept.includes(box.value);
    const every = everything(now);
    if (every) every.checked = all;
    lost = kept.length - boxes(now).filter((box) => box.checked).length;
    const newer = pill(now);
    if (newer) newer.hidden = true;
    tell(now);
    now.querySelector<HTMLElement>(".actionbar")?.focus();
  };
  for (const end of ends) document.addEventListener(end, again);
  document.dispatchEvent(new CustomEvent("tidewatch:refresh"));
}

start();
