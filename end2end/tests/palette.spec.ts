// The palette as a page: the same search without a script.

import { HARBOUR, expect, test } from "../fixtures.ts";

test("the search page finds a device by a part of its name, and says when there is none", async ({ page, fleet }) => {
  await page.goto("/palette");
  const field = page.getByRole("searchbox", { name: "Find" });
  await field.fill("0871");
  await page.getByRole("button", { name: "Find" }).click();
  await expect(page).toHaveURL("/palette?q=0871");
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "palette.aria.yml" });
  await page.getByRole("main").getByRole("link", { name: HARBOUR.stuck }).click();
  await expect(page).toHaveURL(fleet.device(HARBOUR.stuck).path);
  await page.goto("/palette?q=zzz");
  await expect(page.getByRole("main")).toContainText("Nothing found");
});

test("the legend explains every word of a device's state", async ({ page }) => {
  await page.goto("/legend");
  for (const word of ["Converged", "Catching up", "Stalling", "Stuck", "Diverged", "Held", "Unknown"]) {
    await expect(page.getByRole("main").getByText(word, { exact: true }).first(), word).toBeVisible();
  }
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "legend.aria.yml" });
});

test("an address without a page is a 404 with a way out", async ({ page, complaints }) => {
  complaints.foresee(/status of 404/);
  expect((await page.goto("/no-such-page"))?.status()).toBe(404);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("There is no page here");
  await page.getByRole("link", { name: "Go to the overview" }).click();
  await expect(page).toHaveURL("/");
});
