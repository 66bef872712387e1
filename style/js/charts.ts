// Charts: `<fleet-chart>` draws the option object in its `<script type="application/json">` child.
//
// The server builds options without colours: it writes token names (`var(--sea)`), which are resolved here against the page,
// because the library cannot read `light-dark()` or `oklab`. Drawn again when the theme or the data changes.

import { LineChart } from "echarts/charts";
import { GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { connect, init, use, type EChartsType } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

// The element carries the name for assistive technology; the library's own aria component would say it twice.
use([CanvasRenderer, GridComponent, LineChart, MarkAreaComponent, MarkLineComponent, TooltipComponent]);

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

class FleetChart extends HTMLElement {
  #chart: EChartsType | null = null;
  #place: HTMLElement | null = null;
  #sizes = new ResizeObserver(() => this.#chart?.resize());
  #redraw = (): void => this.#draw();

  connectedCallback(): void {
    this.#place = document.createElement("div");
    this.#place.className = "fleet-chart-plot";
    this.append(this.#place);
    this.#chart = init(this.#place, null, { renderer: "canvas" });
    const group = this.dataset.group;
    if (group) {
      this.#chart.group = group;
      connect(group);
    }
    this.addEventListener("tidewatch:option", this.#redraw);
    document.addEventListener("tidewatch:themed", this.#redraw);
    this.#sizes.observe(this);
    this.#draw();
  }

  disconnectedCallback(): void {
    this.removeEventListener("tidewatch:option", this.#redraw);
    document.removeEventListener("tidewatch:themed", this.#redraw);
    this.#sizes.disconnect();
    this.#chart?.dispose();
    this.#place?.remove();
    this.#chart = null;
    this.#place = null;
  }

  #draw(): void {
    const text = this.querySelector("script")?.textContent;
    if (!text || !this.#chart) return;
    const option = resolve(JSON.parse(text) as Json, colours(this)) as Record<string, Json>;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#chart.setOption({ ...option, animation: !still && option.animation !== false }, { notMerge: true });
  }
}

/** Computes a CSS colour in the place of the chart, so that the theme counts. */
function colours(place: Element): (value: string) => string {
  const probe = document.createElement("i");
  place.append(probe);
  const known = new Map<string, string>();
  queueMicrotask(() => probe.remove());
  return (value) => {
    let found = known.get(value);
    if (found === undefined) {
      probe.style.color = value;
      found = plainRgb(getComputedStyle(probe).color);
      known.set(value, found);
    }
    return found;
  };
}

const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

/** Any colour the browser can compute, as `rgba(…)`. */
function plainRgb(colour: string): string {
  if (colour.startsWith("rgb") || !pen) return colour;
  pen.clearRect(0, 0, 1, 1);
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
  return `rgba(${r},${g},${b},${(a ?? 255) / 255})`;
}

/** Replaces every token name in the option by its colour, and `$hatch` by a pattern of hatching. */
function resolve(value: Json, colour: (value: string) => string): unknown {
  if (typeof value === "string") {
    if (value === "$hatch") return { image: hatch(colour("var(--hatch-ink)")), repeat: "repeat" };
    return value.startsWith("var(--") ? colour(value) : value;
  }
  if (Array.isArray(value)) return value.map((item) => resolve(item, colour));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item, colour)]));
  return value;
}

/** Unsurveyed water: one diagonal line in a tile. */
function hatch(ink: string): HTMLCanvasElement {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 7;
  const brush = tile.getContext("2d");
  if (brush) {
    brush.strokeStyle = ink;
    brush.lineWidth = 1;
    brush.beginPath();
    for (const shift of [-7, 0, 7]) {
      brush.moveTo(shift, 7);
      brush.lineTo(shift + 7, 0);
    }
    brush.stroke();
  }
  return tile;
}

customElements.define("fleet-chart", FleetChart);
