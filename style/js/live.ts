// Live refresh: on a hint, fetch this very page and morph its live regions in place.
//
// A region is plain server HTML: `<div id=… data-live>`. Elements with an id keep their identity, so rows, focus and open details
// stay. One request at a time, at most one in 0.6 s, and none while a person has something selected, checked or open.
// Speaks with the as-of stamp through events of `document`; `app/src/islands/live.rs` lists them.

import { Idiomorph } from "idiomorph";

const GAP_MS = 600;
const HELD_LOOK_MS = 500;

let wanted = false;
let running: AbortController | null = null;
let last = -Infinity;
let timer: number | undefined;

export function startLive(): void {
  document.addEventListener("tidewatch:refresh", ask);
  document.addEventListener("tidewatch:paused", pause);
  // A page that comes back from the back/forward cache shows what it showed then.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) ask();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && wanted) plan();
  });
  window.addEventListener("pagehide", () => running?.abort());
}

function ask(): void {
  wanted = true;
  plan();
}

/** Somebody has stopped the page: what was about to change it, or on its way, is held. */
function pause(): void {
  const due = wanted || running !== null;
  wanted = false;
  window.clearTimeout(timer);
  timer = undefined;
  running?.abort();
  if (due) tell("held");
}

function plan(): void {
  // A page nobody looks at waits until somebody does.
  if (running || timer !== undefined || document.hidden) return;
  const wait = Math.max(0, last + GAP_MS - performance.now());
  timer = window.setTimeout(() => {
    timer = undefined;
    void (busy() ? hold() : refresh());
  }, wait);
}

function hold(): void {
  tell("held");
  timer = window.setTimeout(() => {
    timer = undefined;
    if (wanted) plan();
  }, HELD_LOOK_MS);
}

/** Whether a person is in the middle of something that a change would disturb. */
function busy(): boolean {
  if (document.querySelector("dialog[open], :popover-open, details.menu[open]")) return true;
  const regions = [...document.querySelectorAll("[data-live]")];
  if (regions.some((region) => region.querySelector("[data-selected]") || [...region.querySelectorAll("input, textarea")].some(touched))) return true;
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed && regions.some((region) => selection.containsNode(region, true));
}

/** Whether somebody has ticked it or written in it: the server does not know of that, and would take it away. */
function touched(field: Element): boolean {
  if (field instanceof HTMLInputElement && /^(checkbox|radio)$/.test(field.type)) return field.checked !== field.defaultChecked;
  return (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement) && field.value !== field.defaultValue;
}

async function refresh(): Promise<void> {
  wanted = false;
  last = performance.now();
  running = new AbortController();
  try {
    const answer = await fetch(location.href, { signal: running.signal, headers: { accept: "text/html" }, cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    // The session has ended: the server led to the sign-in form, which a navigation shows properly.
    if (answer.redirected) return location.reload();
    if (!answer.ok) return tell("failed");
    if (busy()) {
      wanted = true;
      return;
    }
    morph(fresh);
    tell("refreshed", fresh.querySelector<HTMLTimeElement>(".asof time")?.dateTime ?? "");
  } catch (error) {
    if (running.signal.aborted) return;
    // A network that is away is a TypeError of fetch and says so by the stamp alone; anything else is a fault of ours and must be seen.
    if (!(error instanceof TypeError)) reportError(error);
    tell("failed");
  } finally {
    running = null;
    if (wanted) plan();
  }
}

function morph(fresh: Document): void {
  for (const region of document.querySelectorAll("[data-live][id]")) {
    const next = fresh.getElementById(region.id);
    if (!next) continue;
    // With "innerHTML" a node counts as the content itself, and a region would be put into itself.
    Idiomorph.morph(region, next, {
      morphStyle: "outerHTML",
      ignoreActiveValue: true,
      restoreFocus: true,
      callbacks: { beforeNodeMorphed: keep, beforeAttributeUpdated: keepAttribute },
    });
  }
  document.dispatchEvent(new CustomEvent("tidewatch:morphed"));
}

/** A chart draws itself again from its own data: what it put into the page is not the server's to remove. */
function keep(old: Node, next: Node): boolean {
  if (!(old instanceof Element) || !(next instanceof Element) || old.localName !== "fleet-chart") return true;
  const [before, after] = [old, next].map((chart) => chart.querySelector("script"));
  if (before && after && before.textContent !== after.textContent) {
    before.textContent = after.textContent;
    old.setAttribute("aria-label", next.getAttribute("aria-label") ?? "");
    old.dispatchEvent(new CustomEvent("tidewatch:option"));
  }
  return false;
}

/** What a person opened or chose stays as it is; the server does not know of it. */
function keepAttribute(name: string, element: Element): boolean {
  if (name === "open" && element.localName === "details") return false;
  return !(name === "data-current" || (name === "tabindex" && element.localName === "tr"));
}

function tell(what: "held" | "failed" | "refreshed", detail?: string): void {
  document.dispatchEvent(new CustomEvent(`tidewatch:${what}`, { detail }));
}
