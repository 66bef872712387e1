// The device table: filter, deep link, order, columns, pages. Its state is its address.

import { HARBOUR, expect, expectAddress, row, stranger, test } from "../fixtures.ts";

test("every device of the fleet stands in the table, the one in trouble first", async ({ page }) => {
  await page.goto("/devices");
  await expect(page).toHaveTitle("Devices · Tidewatch");
  const names = page.getByRole("table").getByRole("rowheader");
  await expect(names).toHaveCount(4);
  await expect(names.first()).toContainText(HARBOUR.stuck);
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "devices.aria.yml" });
});

test("a filter is typed, becomes the address, and is taken off again", async ({ page }) => {
  await page.goto("/devices");
  const field = page.getByRole("combobox", { name: "Add a filter" });
  await field.fill("platform:android");
  await field.press("Enter");
  await expectAddress(page, "/devices?filter=platform:android");
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveText([new RegExp(HARBOUR.stuck), new RegExp(HARBOUR.other)]);
  await field.fill("queue:>=5");
  await field.press("Enter");
  await expectAddress(page, "/devices?filter=platform:android queue:>=5");
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveText([new RegExp(HARBOUR.stuck)]);
  await page.getByRole("link", { name: "Remove platform:android" }).click();
  await expect(page).toHaveURL("/devices?filter=queue:%3E%3D5");
  await page.getByRole("link", { name: "Remove queue:>=5" }).click();
  await expect(page).toHaveURL("/devices");
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveCount(4);
});

test("a link pasted into a chat shows the same rows to a colleague", async ({ page, browser, console, cookieOf }) => {
  await page.goto("/devices?filter=condition:stuck");
  const address = page.url();
  const shown = await page.getByRole("table").getByRole("rowheader").allInnerTexts();
  expect(shown).toHaveLength(1);
  expect(shown[0]).toContain(HARBOUR.stuck);
  await cookieOf("viewer");
  const colleague = await browser.newContext({ storageState: await console.session("viewer", () => stranger(browser)) });
  const theirs = await colleague.newPage();
  await theirs.goto(address);
  expect(await theirs.getByRole("table").getByRole("rowheader").allInnerTexts()).toEqual(shown);
  await colleague.close();
});

test("an unknown key is refused with what may have been meant, and lists nothing", async ({ page, complaints }) => {
  complaints.foresee(/status of 400/);
  const answer = await page.goto("/devices?filter=platfrom:ios");
  expect(answer?.status()).toBe(400);
  const refusal = page.getByRole("alert");
  await expect(refusal).toContainText('Unknown key "platfrom" at 1; did you mean "platform"?');
  await expect(page.getByRole("table")).toHaveCount(0);
  const field = page.getByRole("combobox", { name: "Add a filter" });
  await expect(field).toHaveValue("platfrom:ios");
  await field.fill("platform:ios");
  await field.press("Enter");
  await expectAddress(page, "/devices?filter=platform:ios");
  await expect(page.getByRole("rowheader", { name: HARBOUR.well })).toBeVisible();
});

test("a bad value, a bad order and a bad position are refused by name", async ({ page, complaints }) => {
  complaints.foresee(/status of 400/);
  const cases: [path: string, words: string][] = [
    ["/devices?filter=queue:many", "must be a number"],
    ["/devices?filter=condition:sleepy", "must be one of"],
    ["/devices?sort=colour", "sort"],
    ["/devices?rows=0", "rows"],
    ["/devices?after=not-a-position", "position"],
  ];
  for (const [path, words] of cases) {
    const answer = await page.goto(path);
    expect(answer?.status(), path).toBe(400);
    await expect(page.getByRole("main"), path).toContainText(words);
    await expect(page.getByRole("table"), path).toHaveCount(0);
  }
});

test("views count their devices and lead to them", async ({ page, fleet }) => {
  await page.goto("/devices");
  const views = page.getByRole("navigation", { name: "Devices by state" });
  await expect(views.getByRole("link", { name: "All 4" })).toHaveAttribute("aria-current", "page");
  await views.getByRole("link", { name: "Stuck 1" }).click();
  await expect(page).toHaveURL("/devices?filter=condition:stuck");
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveText([new RegExp(HARBOUR.stuck)]);
  await views.getByRole("link", { name: "Never synced 1" }).click();
  await expect(page.getByRole("table").getByRole("rowheader").getByRole("link")).toHaveAttribute("href", fleet.device(HARBOUR.never).path);
});

test("the order is chosen at the head of a column and kept by the filter", async ({ page }) => {
  await page.goto("/devices?filter=platform:android");
  await page.getByRole("columnheader", { name: "Device" }).getByRole("link").click();
  await expect(page).toHaveURL("/devices?filter=platform:android&sort=name");
  await expect(page.getByRole("columnheader", { name: "Device" })).toHaveAttribute("aria-sort", "ascending");
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveText([new RegExp(HARBOUR.stuck), new RegExp(HARBOUR.other)]);
  await page.getByRole("columnheader", { name: "Queue" }).getByRole("link").click();
  await expect(page.getByRole("columnheader", { name: "Queue" })).toHaveAttribute("aria-sort", "descending");
  await expect(page).toHaveURL("/devices?filter=platform:android&sort=queue");
});

test("columns are chosen in a form and stay in the address", async ({ page }) => {
  await page.goto("/devices?filter=platform:ios");
  await page.getByText("Columns", { exact: false }).first().click();
  const form = page.getByRole("form", { name: "Columns in this view" });
  for (const box of await form.getByRole("checkbox").all()) {
    if (await box.isEnabled()) await box.setChecked(false);
  }
  await form.getByRole("checkbox", { name: "Battery" }).check();
  await form.getByRole("button", { name: "Show these" }).click();
  await expect(page).toHaveURL("/devices?filter=platform:ios&columns=device,battery");
  await expect(page.getByRole("columnheader")).toHaveText(["Device", "Battery"]);
  await expect(row(page, HARBOUR.well).getByRole("cell")).toHaveText([/61%/]);
});

test("pages go on and back by key and every device is on exactly one of them", async ({ page, fleet }) => {
  const links = page.getByRole("table").getByRole("rowheader").getByRole("link");
  const shown = async (count: number): Promise<(string | null)[]> => {
    await expect(links).toHaveCount(count);
    return Promise.all((await links.all()).map((link) => link.getAttribute("href")));
  };
  await page.goto("/devices?sort=name&rows=3");
  const first = await shown(3);
  await page.getByRole("link", { name: "Next" }).click();
  await expect(page).toHaveURL(/after=/);
  const second = await shown(1);
  expect([...first, ...second].sort()).toEqual(Object.values(HARBOUR).map((name) => fleet.device(name).path).sort());
  await page.getByRole("link", { name: "Previous" }).click();
  await expect(page).not.toHaveURL(/after=/);
  expect(await shown(3)).toEqual(first);
});

test("nothing that matches, nothing in trouble and nothing yet are told apart", async ({ page }) => {
  await page.goto("/devices?filter=platform:tvos");
  await expect(page.getByRole("main")).toContainText("None of 4 devices match");
  await page.getByRole("link", { name: "Clear filters" }).click();
  await expect(page).toHaveURL("/devices");
  await page.goto("/devices?filter=condition:diverged");
  await expect(page.getByRole("main")).toContainText("No device is diverged");
});

test.describe("first run", () => {
  test.use({ store: "own" });

  test("a store without a device says what comes next", async ({ page }) => {
    await page.goto("/devices");
    await expect(page.getByRole("main")).toContainText("No devices yet");
  });
});
