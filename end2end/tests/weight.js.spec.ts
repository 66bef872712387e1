// What a first visit costs: everything that goes over the wire until the page is quiet.

import type { Page } from "@playwright/test";
import { expect, islandsReady, test } from "../fixtures.ts";

const KB = 1_000;

/** Bytes on the wire, headers included, by address. */
async function transferred(page: Page, path: string): Promise<Map<string, number>> {
  const wire = await page.context().newCDPSession(page);
  await wire.send("Network.enable");
  await wire.send("Network.setCacheDisabled", { cacheDisabled: false });
  const addresses = new Map<string, string>();
  const bytes = new Map<string, number>();
  wire.on("Network.requestWillBeSent", ({ requestId, request }) => addresses.set(requestId, new URL(request.url).pathname));
  wire.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const address = addresses.get(requestId) ?? requestId;
    bytes.set(address, (bytes.get(address) ?? 0) + encodedDataLength);
  });
  await page.goto(path);
  await islandsReady(page);
  await expect.poll(() => [...bytes.keys()].some((address) => address.endsWith(".wasm"))).toBe(true);
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  return bytes;
}

function told(bytes: Map<string, number>): string {
  return [...bytes].sort((one, other) => other[1] - one[1]).map(([address, size]) => `${size} ${address}`).join("\n");
}

const sum = (bytes: Map<string, number>): number => [...bytes.values()].reduce((total, size) => total + size, 0);

test("the first visit to the overview weighs at most 300 kB, of which the browser half at most 120", async ({ page }) => {
  const bytes = await transferred(page, "/");
  await expect(page.getByRole("figure").first()).toBeVisible();
  await expect.poll(() => [...bytes.keys()].some((address) => /charts-.*\.js$/.test(address)), "the charts are part of the visit").toBe(true);
  const wasm = [...bytes].filter(([address]) => address.endsWith(".wasm")).reduce((total, [, size]) => total + size, 0);
  test.info().annotations.push({ type: "weight", description: `${sum(bytes)} bytes\n${told(bytes)}` });
  expect(wasm, told(bytes)).toBeLessThanOrEqual(120 * KB);
  expect(sum(bytes), told(bytes)).toBeLessThanOrEqual(300 * KB);
});

for (const path of ["/devices", "/log", "/audit"]) {
  test(`the first visit to ${path}, a page without a chart, weighs at most 150 kB`, async ({ page }) => {
    const bytes = await transferred(page, path);
    test.info().annotations.push({ type: "weight", description: `${sum(bytes)} bytes\n${told(bytes)}` });
    expect(sum(bytes), told(bytes)).toBeLessThanOrEqual(150 * KB);
  });
}
