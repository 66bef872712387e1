// The page's own script: islands, live refresh, keys, copy buttons. Everything it adds is a comfort: pages work without it.

import { startCopying } from "./copy";
import { startIslands } from "./islands";
import { startKeys } from "./keys";
import { startLive } from "./live";
import { startPicking } from "./pick";

startIslands();
startLive();
startKeys();
startCopying();
startPicking();

// The charting library is the heaviest thing we have: it comes when a chart is on the screen.
const charts = document.querySelectorAll("fleet-chart");
if (charts.length > 0) {
  const shown = new IntersectionObserver((seen) => {
    if (!seen.some((entry) => entry.isIntersecting)) return;
    shown.disconnect();
    void import("./charts");
  });
  for (const chart of charts) shown.observe(chart);
}
