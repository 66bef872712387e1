// Keys: the filter, the rows, the palette, the legend, and what closes first.

import { HARBOUR, expect, islandsReady, test } from "../fixtures.ts";

test("slash goes to the filter and Escape leaves it", async ({ page }) => {
  await page.goto("/devices");
  await islandsReady(page);
  const field = page.getByRole("combobox", { name: "Add a filter" });
  await page.keyboard.press("/");
  await expect(field).toBeFocused();
  await expect(field).toHaveValue("");
  await page.keyboard.type("j/k?");
  await expect(field, "keys are letters while one types").toHaveValue("j/k?");
  await page.keyboard.press("Escape");
  await expect(field).not.toBeFocused();
});

test("j and k walk the rows, stop at both ends, and Enter opens the one they are on", async ({ page, fleet }) => {
  await page.goto("/devices?filter=name:*-*&sort=name");
  await islandsReady(page);
  const rows = page.getByRole("table").getByRole("row").filter({ has: page.getByRole("rowheader") });
  await page.keyboard.press("j");
  await expect(rows.nth(0)).toBeFocused();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await expect(rows.nth(2)).toBeFocused();
  await page.keyboard.press("k");
  await expect(rows.nth(1)).toBeFocused();
  for (let press = 0; press < 6; press += 1) await page.keyboard.press("j");
  await expect(rows.last()).toBeFocused();
  for (let press = 0; press < 6; press += 1) await page.keyboard.press("k");
  await expect(rows.first()).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(fleet.device(HARBOUR.stuck).path);
});

for (const keys of ["Control+k", "Meta+k"]) {
  test(`${keys} opens the palette, which finds a device by a part of its name`, async ({ page, fleet }) => {
    await page.goto("/");
    await islandsReady(page);
    await page.keyboard.press(keys);
    const palette = page.getByRole("dialog", { name: "Find or go to" });
    const field = palette.getByRole("combobox", { name: "Find or go to" });
    await expect(field).toBeFocused();
    await expect(palette.getByRole("option", { name: "Devices" })).toBeVisible();
    await field.fill("0871");
    await expect(palette.getByRole("option", { name: HARBOUR.stuck })).toHaveAttribute("aria-selected", "true");
    await page.keyboard.press("Enter");
    await expect(page).toHaveURL(fleet.device(HARBOUR.stuck).path);
  });
}

test("the palette goes to pages with the arrows and to the trace of an operation", async ({ page }) => {
  await page.goto("/devices");
  await islandsReady(page);
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog", { name: "Find or go to" });
  await palette.getByRole("combobox").fill("chan");
  await expect(palette.getByRole("option", { name: "Changes" })).toHaveAttribute("aria-selected", "true");
  await palette.getByRole("combobox").fill(`${HARBOUR.well}-op-0001`);
  await expect(palette.getByRole("option", { name: /open its trace/ })).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(`/operations/${HARBOUR.well}-op-0001`);
});

test("Escape closes the palette only, and gives the focus back", async ({ page }) => {
  await page.goto("/devices");
  await islandsReady(page);
  const field = page.getByRole("combobox", { name: "Add a filter" });
  await field.focus();
  await page.keyboard.press("Control+k");
  await expect(page.getByRole("dialog", { name: "Find or go to" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog", { name: "Find or go to" })).toBeHidden();
  await expect(field).toBeFocused();
});

test("the search box opens the palette as the key does", async ({ page }) => {
  await page.goto("/");
  await islandsReady(page);
  await page.getByRole("link", { name: /Find a device, op id or page/ }).click();
  await expect(page.getByRole("dialog", { name: "Find or go to" })).toBeVisible();
  await expect(page, "without leaving the page").toHaveURL("/");
});

test("the question mark opens the legend", async ({ page }) => {
  await page.goto("/");
  await islandsReady(page);
  await page.keyboard.press("?");
  await expect(page).toHaveURL("/legend");
});

test("Tab starts with a link past the rail", async ({ page }) => {
  await page.goto("/devices");
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to content" });
  await expect(skip).toBeFocused();
  await expect(skip).toBeInViewport();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
});
