// Ticking rows: the box in the head of a table ticks those of the page, and the bar above says how many are ticked.
//
// Without it every box still works; the form sends what is ticked.

export function startPicking(): void {
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || box.type !== "checkbox") return;
    const form = box.closest<HTMLFormElement>("form.pick");
    if (!form) return;
    if (box.matches("[data-check-all]")) for (const row of boxes(form)) row.checked = box.checked;
    tell(form);
  });
  // What the browser ticked again when somebody came back.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll<HTMLFormElement>("form.pick")) tell(form);
  });
  document.addEventListener("tidewatch:morphed", () => {
    for (const form of document.querySelectorAll<HTMLFormElement>("form.pick")) tell(form);
  });
}

function boxes(form: HTMLFormElement): HTMLInputElement[] {
  return [...form.querySelectorAll<HTMLInputElement>("tbody input[type=checkbox]")];
}

function tell(form: HTMLFormElement): void {
  const all = boxes(form);
  const ticked = all.filter((box) => box.checked).length;
  const head = form.querySelector<HTMLInputElement>("[data-check-all]");
  if (head) {
    head.checked = ticked > 0 && ticked === all.length;
    head.indeterminate = ticked > 0 && ticked < all.length;
  }
  const words = form.querySelector<HTMLElement>("[data-pick-count]");
  if (words) {
    words.hidden = ticked === 0;
    words.textContent = `${ticked} ticked`;
  }
}
