// What an entry wants to write: names in place of values, until somebody gives a reason. With and without JavaScript.

import { HARBOUR, expect, test } from "../fixtures.ts";

const { stuck } = HARBOUR;
const REASON = "the crew asked what the device has sent";

test("a payload hides its values and marks the field that the error names", async ({ page, fleet }) => {
  await page.goto(`/outbox/entries/${fleet.device(stuck).id}/${stuck}-op-0001`);
  const panel = page.getByRole("region", { name: "Payload" });
  await expect(panel).toContainText("redacted, names are stable");
  const payload = panel.getByRole("group", { name: "Payload, redacted" });
  await expect(payload).toContainText(/"reading": text·[0-9a-z]{4}, 6 characters, letters/);
  await expect(payload.locator("[data-hit]")).toContainText("reading");
  await expect(page.getByRole("main")).not.toContainText("twelve");
});

test("a reason reveals one payload for a while, and the audit log has it", async ({ page, fleet }, { project }) => {
  // Each project has an entry of its own: what one has had revealed the other would see.
  const operation = `${stuck}-op-000${project.use.javaScriptEnabled === false ? 3 : 2}`;
  await page.goto(`/outbox/entries/${fleet.device(stuck).id}/${operation}`);
  const panel = page.getByRole("region", { name: "Payload" });
  const reason = panel.getByRole("textbox", { name: "Reason" });
  await reason.fill(" ".repeat(12));
  await panel.getByRole("button", { name: "Reveal for 10 min" }).click();
  await expect(panel).toContainText("The reason must have 8 to 500 characters");
  await expect(reason).toHaveAttribute("aria-invalid", "true");
  await expect(panel).not.toContainText("twelve");
  await reason.fill(REASON);
  await panel.getByRole("button", { name: "Reveal for 10 min" }).click();
  await expect(panel.getByRole("group", { name: "Payload, revealed" })).toContainText('"reading": "twelve"');
  await expect(panel).toContainText(/Shown to you alone for .+ more/);
  await page.goto(`/audit?filter=${encodeURIComponent(`action:payload_reveal subject:*${operation}`)}`);
  await expect(page.getByRole("table").getByRole("row").nth(1)).toContainText("payload_reveal");
});

test("the outbox by device leads from a device to its entries in a state", async ({ page, fleet }) => {
  await page.goto("/outbox");
  await page.getByRole("navigation", { name: "Look at the outbox" }).getByRole("link", { name: "By device" }).click();
  await expect(page).toHaveURL("/outbox/devices");
  const row = page.getByRole("row", { name: new RegExp(stuck) });
  await expect(row).toContainText("Poisoned");
  await row.getByRole("link", { name: "3", exact: true }).click();
  await expect(page).toHaveURL(`${fleet.device(stuck).path}/outbox?state=poisoned`);
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveCount(3);
});

test("entries are found by what their payloads hold", async ({ page }) => {
  await page.goto(`/outbox/entries?filter=${encodeURIComponent("payload.reading:twelve")}`);
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveCount(3);
  await expect(page.getByRole("main")).toContainText(/looked at all \d+ payloads/);
  await page.goto(`/outbox/entries?filter=${encodeURIComponent("payload.reading:13")}`);
  await expect(page.getByRole("main")).toContainText("No entry matches");
});
