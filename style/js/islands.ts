// Starts the islands of the page, if it has any: loads the browser half once the page is idle and calls the export of each island.
//
// The same walk as Leptos' own loader, as a file of ours instead of an inline script. A page without an island loads nothing.

import { glue, wasm } from "tidewatch:islands";

/** What the browser half exports: its initialiser, `hydrate`, and one function an island under the island's id. */
type Module = { default(from: { module_or_path: string }): Promise<unknown>; hydrate(): void } & Record<string, (element: Element) => unknown>;

/** Server-rendered children of an island; Leptos puts the callback there for the islands inside. */
type Children = Element & { $$on_hydrate?: () => void };

async function start(element: Element, module: Module, inside: Children[]): Promise<void> {
  const id = (element as HTMLElement).dataset.component ?? "";
  const island = module[id];
  if (!island) {
    console.warn(`The browser half has no island ${id}: page and module come from different builds.`);
    return;
  }
  inside.at(-1)?.$$on_hydrate?.();
  await island(element);
}

async function walk(element: Element, module: Module, inside: Children[]): Promise<void> {
  if (element.localName === "leptos-island") await start(element, module, inside);
  const within = element.localName === "leptos-children" ? [...inside, element] : inside;
  for (const child of [...element.children]) await walk(child, module, within);
}

async function load(): Promise<void> {
  const module = (await import(/* @vite-ignore */ glue)) as Module;
  await module.default({ module_or_path: wasm });
  module.hydrate();
  await walk(document.body, module, []);
  document.documentElement.dataset.islands = "ready";
}

/** Call once, when the document is parsed. */
export function startIslands(): void {
  if (!document.querySelector("leptos-island")) return;
  // Safari has no requestIdleCallback; a task of its own is close enough.
  const idle = window.requestIdleCallback ?? ((task: () => void) => setTimeout(task, 0));
  idle(() => void load());
}
