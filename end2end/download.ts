// Files that a page exports: downloaded by a click, and read by their manifest.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type Page, expect } from "@playwright/test";

/** Clicks a link and reads the file that it downloads. */
export async function downloaded(page: Page, name: string | RegExp): Promise<{ file: string; text: string }> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name }).click()]);
  return { file: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
}

/** Rows of a file with one JSON object a line, once its last line is the manifest of what comes before. */
export function rowsOf<Row>(text: string): Row[] {
  const begin = text.lastIndexOf("\n", text.length - 2) + 1;
  const manifest = JSON.parse(text.slice(begin)) as { control: string; count: number; sha256: string };
  expect(manifest.control).toBe("manifest");
  expect(manifest.sha256).toBe(createHash("sha256").update(text.slice(0, begin)).digest("hex"));
  const rows = text.slice(0, begin).split("\n").slice(0, -1).map((line) => JSON.parse(line) as Row);
  expect(rows).toHaveLength(manifest.count);
  return rows;
}
