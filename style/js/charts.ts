// Charts: `<fleet-chart>` draws the option object in its `<script type="application/json">` child.
//
// The server builds options without colours: it writes token names (`var(--sea)`), which are resolved here against the page,
// because the library cannot read `light-dark()` or `oklab`. Drawn again when the theme or the data changes.
//
// The library draws lines and axes and nothing else. Beside its own members an option carries what lies over the drawing as plain
// elements in the page's own style: `gaps` (runs of missing points), `limit` (a level and its words), `marks` (moments and what happened
// at them), `unit` (of the values). What
// points at a moment shows it in every chart of the group.

import { LineChart } from "echarts/charts";
import { GridSimpleComponent } from "echarts/components";
import { init, use, type EChartsType } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

// The element carries the name for assistive technology; the library's own aria component would say it twice.
use([CanvasRenderer, GridSimpleComponent, LineChart]);

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Value = number | "-" | { value: number };
interface Option {
  xAxis: { data: string[] }[] | { data: string[] };
  series: { name: string; data: Value[] }[];
  gaps: [number, number][];
  limit: { at: number; text: string; below: boolean } | null;
  marks?: { at: number; text: string }[];
  unit: string;
}

/** A moment that is pointed at: the group, and the place of the point; `null` when nothing is. */
interface Pointed {
  group: string;
  at: number | null;
}

class FleetChart extends HTMLElement {
  #chart: EChartsType | null = null;
  #plot = part("fleet-chart-plot");
  #over = part("fleet-chart-over");
  #cross = part("chart-cross");
  #tip = part("chart-tip");
  #option: Option | null = null;
  #sizes = new ResizeObserver(() => this.#resize());
  #redraw = (): void => this.#draw();
  #shown = (event: Event): void => this.#show((event as CustomEvent<Pointed>).detail);

  connectedCallback(): void {
    this.append(this.#plot, this.#over);
    this.#chart = init(this.#plot, null, { renderer: "canvas" });
    this.addEventListener("tidewatch:option", this.#redraw);
    this.addEventListener("pointermove", this.#point);
    this.addEventListener("pointerleave", this.#leave);
    document.addEventListener("tidewatch:themed", this.#redraw);
    document.addEventListener("tidewatch:pointed", this.#shown);
    this.#sizes.observe(this);
    this.#draw();
  }

  disconnectedCallback(): void {
    this.removeEventListener("tidewatch:option", this.#redraw);
    this.removeEventListener("pointermove", this.#point);
    this.removeEventListener("pointerleave", this.#leave);
    document.removeEventListener("tidewatch:themed", this.#redraw);
    document.removeEventListener("tidewatch:pointed", this.#shown);
    this.#sizes.disconnect();
    this.#chart?.dispose();
    this.#plot.remove();
    this.#over.remove();
    this.#chart = null;
  }

  #draw(): void {
    const text = this.querySelector("script")?.textContent;
    if (!text || !this.#chart) return;
    const option = JSON.parse(text) as Option & { [key: string]: Json };
    this.#option = option;
    const { gaps: _gaps, limit: _limit, marks: _marks, unit: _unit, ...drawn } = option;
    this.#chart.setOption(resolve(drawn, colours(this)) as object, { notMerge: true });
    this.#lay();
  }

  #resize(): void {
    this.#chart?.resize();
    this.#lay();
  }

  /** Gaps, moments and the limit, over the drawing. */
  #lay(): void {
    const option = this.#option;
    if (!option || !this.#chart) return;
    const last = Math.max(1, labels(option).length - 1);
    const laid = option.gaps.map(([from, to]) => {
      const gap = part("chart-gap");
      gap.style.left = `${(from / last) * 100}%`;
      gap.style.width = `${((to - from) / last) * 100}%`;
      return gap;
    });
    for (const [n, { at, text }] of (option.marks ?? []).entries()) {
      const mark = part("chart-mark");
      mark.style.left = `${(at / last) * 100}%`;
      mark.dataset.side = at / last > 0.6 ? "left" : "right";
      mark.dataset.row = String(n % 3);
      mark.append(Object.assign(part(""), { textContent: text }));
      laid.push(mark);
    }
    if (option.limit) {
      const line = part("chart-limit");
      line.style.top = `${this.#chart.convertToPixel({ yAxisIndex: 0 }, option.limit.at) - this.#over.offsetTop}px`;
      line.dataset.below = String(option.limit.below);
      line.append(Object.assign(part(""), { textContent: option.limit.text }));
      laid.push(line);
    }
    this.#over.replaceChildren(...laid, this.#cross, this.#tip);
    this.#show({ group: this.dataset.group ?? "", at: null });
  }

  #point = (event: PointerEvent): void => {
    if (!this.#option) return;
    const { left, width } = this.#over.getBoundingClientRect();
    const last = labels(this.#option).length - 1;
    const at = Math.round(((event.clientX - left) / width) * last);
    tell({ group: this.dataset.group ?? "", at: at < 0 || at > last ? null : at });
  };

  #leave = (): void => tell({ group: this.dataset.group ?? "", at: null });

  #show({ group, at }: Pointed): void {
    const option = this.#option;
    if (!option || group !== (this.dataset.group ?? "")) return;
    const hidden = at === null || at >= labels(option).length;
    this.#cross.hidden = this.#tip.hidden = hidden;
    if (hidden) return;
    const share = at / Math.max(1, labels(option).length - 1);
    this.#cross.style.left = `${share * 100}%`;
    this.#tip.dataset.side = share > 0.5 ? "left" : "right";
    this.#tip.style[share > 0.5 ? "right" : "left"] = `calc(${(share > 0.5 ? 1 - share : share) * 100}% + 10px)`;
    this.#tip.style[share > 0.5 ? "left" : "right"] = "auto";
    const head = Object.assign(document.createElement("b"), { textContent: labels(option)[at] });
    // The line that matters is drawn last and read first.
    const rows = [...option.series].reverse().map(({ name, data }) => {
      const row = document.createElement("span");
      row.append(Object.assign(document.createElement("i"), { textContent: name }), words(data[at], option.unit));
      return row;
    });
    this.#tip.replaceChildren(head, ...rows);
  }
}

function part(name: string): HTMLElement {
  const made = document.createElement("div");
  made.className = name;
  return made;
}

function tell(detail: Pointed): void {
  document.dispatchEvent(new CustomEvent("tidewatch:pointed", { detail }));
}

function labels({ xAxis }: Option): string[] {
  return (Array.isArray(xAxis) ? xAxis[0] : xAxis)?.data ?? [];
}

function words(value: Value | undefined, unit: string): string {
  const number = typeof value === "object" ? value.value : value;
  return typeof number === "number" ? `${number.toLocaleString("en")}\u00a0${unit}` : "no data";
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

/** Replaces every token name in the option by its colour. */
function resolve(value: Json, colour: (value: string) => string): unknown {
  if (typeof value === "string") return value.startsWith("var(--") ? colour(value) : value;
  if (Array.isArray(value)) return value.map((item) => resolve(item, colour));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item, colour)]));
  return value;
}

customElements.define("fleet-chart", FleetChart);
