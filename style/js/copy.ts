// Copy buttons: `data-copy` holds the whole text. The button says that it worked.

const SAID_MS = 1_500;

export function startCopying(): void {
  document.addEventListener("click", (event) => {
    const button = (event.target as Element | null)?.closest<HTMLElement>("[data-copy]");
    if (button) void copy(button);
  });
}

async function copy(button: HTMLElement): Promise<void> {
  const use = button.querySelector("use");
  try {
    await navigator.clipboard.writeText(button.dataset.copy ?? "");
  } catch {
    button.title = "The browser does not allow copying here; select the text instead.";
    return;
  }
  use?.setAttribute("href", "#i-check");
  button.title = "Copied";
  setTimeout(() => {
    use?.setAttribute("href", "#i-copy");
    button.removeAttribute("title");
  }, SAID_MS);
}
