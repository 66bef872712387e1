// The page's own script: islands, live refresh, keys, copy buttons. Everything it adds is a comfort: pages work without it.

import { startCopying } from "./copy";
import { startIslands } from "./islands";
import { startKeys } from "./keys";
import { startLive } from "./live";

startIslands();
startLive();
startKeys();
startCopying();

// What only some pages have is fetched where it is, also when a live page gets it later: the forms that rows are ticked in, and the
// charting library, the heaviest thing we have, when a chart is on the screen.
const shown = new IntersectionObserver((seen) => {
  if (!seen.some((entry) => entry.isIntersecting)) return;
  shown.disconnect();
  void import("./charts");
});

function fetchMore(): void {
  if (document.querySelector("form.pick")) void import("./pick");
  for (const chart of document.querySelectorAll("fleet-chart")) shown.observe(chart);
}

fetchMore();
document.addEventListener("tidewatch:morphed", fetchMore);
