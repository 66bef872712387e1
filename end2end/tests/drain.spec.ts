// Draining: a bad release is one group, is corrected and sent again; what is taken out can be put back; and much of it needs a second
// person. Every step is a form, so all of it is done with JavaScript and without.

import type { Page } from "@playwright/test";
import { type Command, type Device, type Fleet, READING } from "../fleet.ts";
import { expect, expectAddress, row, signIn, stranger, test } from "../fixtures.ts";
import { isSigned, type Key } from "../signature.ts";

test.use({ store: "own", as: "support" });

const FIX = JSON.stringify([{ op: "convert", path: "/reading", to: "number" }]);
const BROKEN = ["LOW-TAB-0601", "LOW-TAB-0602", "HAR-PHN-0603"];

/** Devices of the bad release, each with two entries that can never be accepted and one that waits; they are there once the console lists them. */
async function release(page: Page, fleet: Fleet, names: readonly string[] = BROKEN): Promise<Device[]> {
  const devices: Device[] = [];
  for (const name of names) {
    const device = await fleet.device(name).enrol({ app_version: "4.18.0" });
    await device.poison(2, 1);
    devices.push(device);
  }
  await page.goto("/outbox");
  await settles(page, `${names.length * 3} entries on ${names.length} devices`);
  return devices;
}

/** Waits until a page says so, reloading it as somebody without JavaScript would. */
async function settles(page: Page, words: string | RegExp, timeout = 15_000): Promise<void> {
  await expect(async () => {
    await page.reload();
    await expect(page.getByRole("main")).toContainText(words, { timeout: 500 });
  }).toPass({ timeout });
}

/** Opens the one group of failures and chooses all of it. */
async function choose(page: Page, action: string): Promise<void> {
  await page.goto("/outbox");
  await page.getByRole("table").getByRole("link", { name: "422 schema_invalid" }).click();
  const bar = page.getByRole("group", { name: "Drain entries" });
  await bar.getByRole("checkbox", { name: /^All \d+\sthat match$/ }).check();
  await bar.getByRole("button", { name: action }).click();
}

/** A device of the bad release with a queue of its own: two entries that were refused, and behind them one that only it has. */
interface Stuck {
  device: Device;
  behind: string;
}

/** Devices whose queues stand still behind what was refused, and that nobody has told anything. */
async function standstill(page: Page, fleet: Fleet): Promise<Stuck[]> {
  const stuck: Stuck[] = [];
  for (const name of BROKEN) {
    const device = await fleet.device(name).enrol({ app_version: "4.18.0" });
    const [behind] = await device.getStuck(2, 1);
    stuck.push({ device, behind: behind! });
  }
  await page.goto("/outbox");
  await settles(page, "9 entries on 3 devices");
  for (const { device } of stuck) {
    expect(await device.sync(), `${device.name} sends nothing past an entry that was refused`).toEqual([]);
    expect(await device.obey(), "and nobody has told it anything").toEqual([]);
  }
  return stuck;
}

/** Writes the correction on its page, by its field and then by hand, tries it, and says that what waits behind may go. */
async function correct(page: Page): Promise<void> {
  await expect(page.getByRole("region", { name: "What would be answered" })).toContainText("rejected schema_invalid");
  const becomes = page.getByRole("combobox", { name: "Becomes" });
  const value = page.getByLabel("New value");
  const tries = page.getByRole("button", { name: "Try this value" });
  await expect(becomes, "it knows what a text in the place of a number most likely is").toHaveValue("read_number");
  await value.fill("12");
  await tries.click();
  await expect(page.getByRole("main")).toContainText("each entry keeps what it says");
  await becomes.selectOption("this number");
  await value.fill("twelve");
  await tries.click();
  await expect(page.getByRole("main")).toContainText("This is no number");
  await becomes.selectOption("its own text, as a number");
  await value.fill("");
  await tries.click();
  await expect(page.getByRole("textbox", { name: /Operations over the fields/ }), "what it says is written down").toHaveValue(/"op": "convert",\s+"path": "\/reading",\s+"to": "number"/);
  await page.getByRole("textbox", { name: /Operations over the fields/ }).fill(FIX);
  await page.getByRole("button", { name: "Try it" }).click();
  const trials = page.getByRole("region", { name: "What would be answered" });
  await expect(trials).toContainText("applied");
  await expect(trials.getByRole("group", { name: "What the correction changes" }).first()).toContainText("/reading: number");
  await page.getByRole("button", { name: "Freeze and go on" }).click();
  await expect(page.getByRole("main")).toContainText("3 entries wait behind these. What becomes of them?");
  await page.getByRole("radio", { name: /^Let them go/ }).check();
  await page.getByRole("button", { name: "Go on" }).click();
}

/** What a device was told was signed for it, word by word, and for no other. */
async function signedForAlone(fleet: Fleet, device: Device, command: Command): Promise<void> {
  const keys = (await device.ask("GET", "/control/keys")).body.keys as Key[];
  const other = fleet.device(BROKEN.find((name) => name !== device.name)!);
  expect(isSigned(command, keys, device.id)).toBe(true);
  expect(isSigned(command, keys, other.id), "it is not the other's").toBe(false);
  expect(isSigned({ ...command, client_id: other.id }, keys, other.id), "nor can it be made the other's").toBe(false);
  expect(isSigned({ ...command, args: { entries: [] } }, keys, device.id), "nor can its words be changed").toBe(false);
}

/** A device goes on by what it is told and by nothing else: it sends its refused ones again, and then what was behind them. */
async function goesOn(page: Page, fleet: Fleet, { device, behind }: Stuck): Promise<void> {
  expect(await device.sync(), `${device.name} does not go on by itself`).toEqual([]);
  const commands = await device.obey();
  expect(commands.flatMap(({ args }) => args.entries), `${device.name} is told of its two`).toHaveLength(2);
  for (const command of commands) await signedForAlone(fleet, device, command);
  const results = await device.sync();
  expect(results.map(({ status }) => status), `${device.name} gets the new answers of its own ids, then sends what was behind`).toEqual(["applied", "applied", "applied"]);
  expect(results.at(-1)?.operation_id).toBe(behind);
  expect(await device.readings(), "each reading is what its device wrote, as a number").toEqual([READING, READING + 1]);
  await page.goto(`/log?filter=operation:${behind}`);
  await expect(page.getByRole("table").getByRole("rowheader"), `${behind} is in the log`).toHaveCount(1);
}

test("a poisoned release is one group; corrected and tried, a canary goes first, then all, and its queues flow again", async ({ page, fleet, complaints }) => {
  test.slow();
  complaints.foresee(/status of 400/);
  const stuck = await standstill(page, fleet);
  await page.goto("/");
  await expect(page.getByRole("main")).toContainText("3 of 3 devices are stuck behind one schema_invalid error in inspections");
  const work = page.getByRole("region", { name: "Needs a person" });
  await work.getByRole("link", { name: /^6 entries rejected on 3 devices: 422 schema_invalid$/ }).click();
  await expect(page.getByRole("region", { name: "What they have in common" })).toContainText("4.18.0 on 3");

  await page.getByRole("checkbox", { name: /^All 6\sthat match$/ }).check();
  await page.getByRole("button", { name: "Patch and requeue" }).click();
  await expect(page).toHaveURL(/\/outbox\/drain\/patch\?all=1&signature=/);
  await correct(page);
  await expect(page).toHaveURL(/\/outbox\/drain\/S\d+/);
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "drain-set.aria.yml" });
  await expect(page.getByRole("main")).toContainText("6 entries on 3 devices");
  await page.getByLabel("Reason, kept in the audit log").fill("4.18.0 writes the reading as text");
  await page.getByRole("checkbox", { name: /^Send \d first/ }).check();
  await page.getByRole("button", { name: "Patch and requeue 6 entries" }).click();

  await expect(page).toHaveURL(/\/outbox\/jobs\/J\d+$/);
  const job = page.url();
  await settles(page, "6 of 6 settled");
  await settles(page, "Done since");
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "drain-job.aria.yml" });
  await expect(page.getByRole("main")).toContainText("adds up");
  const rate = page.getByRole("region", { name: "Rate" });
  await expect(rate).toContainText(/entries in \d+\ss.*Time, UTC.*Settled/);
  await expect(rate).toContainText("Of 3 entries that waited behind them 3 are not in the log.");

  for (const one of stuck) await goesOn(page, fleet, one);
  await page.goto(job);
  await settles(page, "Of 3 entries that waited behind them 3 are in the log by now.");
  await expect(page.getByRole("main"), "its devices know").not.toContainText("Device not told yet");
  await page.goto("/");
  // How the fleet stands is sampled each quarter of a minute, and drawn a few seconds later.
  await settles(page, /No device is stuck\..*Queue depth\s*Empty\s*0\s*ops/, 40_000);
  await expect(work).not.toContainText("schema_invalid");
  await page.goto("/outbox");
  await expect(page.getByRole("main")).toContainText("Nothing has failed");
  await page.goto("/audit?filter=action:drain*");
  await expect(page.getByRole("table").getByRole("row").nth(1)).toContainText("jonas.lind");
});

test("a refused form comes back with what was typed and names the field", async ({ page, fleet }) => {
  await release(page, fleet);
  await choose(page, "Hold");
  // Long enough for the browser's own check, and yet nothing.
  await page.getByLabel("Reason, kept in the audit log").fill("          ");
  await page.getByRole("button", { name: "Hold 6 entries" }).click();
  await expect(page.getByRole("main")).toContainText("Say why, in 8 characters or more.");
  await expect(page.getByLabel("Reason, kept in the audit log")).toHaveAttribute("aria-invalid", "true");
  await page.goto("/outbox/jobs");
  await expect(page.getByRole("main")).toContainText("Nothing has been drained yet");
});

test("nothing ticked is nothing chosen", async ({ page, fleet }) => {
  await release(page, fleet);
  await page.goto("/outbox/entries?filter=state:poisoned");
  await page.getByRole("group", { name: "Drain entries" }).getByRole("button", { name: "Discard" }).click();
  await expectAddress(page, "/outbox/entries?filter=state:poisoned&problem=entry");
  await expect(page.getByRole("main")).toContainText("Tick the entries first, or choose all that match.");
});

test("ticked entries are quarantined, are listed as such, and are put back by one undo", async ({ page, fleet }) => {
  const [device] = await release(page, fleet);
  await page.goto("/outbox/entries?filter=state:poisoned");
  for (const box of await page.getByRole("checkbox", { name: /^Select LOW-TAB-06/ }).all()) await box.check();
  await page.getByRole("button", { name: "Quarantine" }).click();
  await expect(page.getByRole("main")).toContainText("4 entries on 2 devices");
  await page.getByLabel("Reason, kept in the audit log").fill("out of the way until 4.18.1");
  await page.getByRole("button", { name: "Quarantine 4 entries" }).click();
  await settles(page, "4 of 4 settled");
  // The mirror follows within two seconds, and without JavaScript a page shows what was true when it was asked for.
  await expect(async () => {
    await page.goto("/outbox/entries?filter=state:quarantined");
    await expect(page.getByRole("table").getByRole("rowheader")).toHaveCount(4, { timeout: 500 });
  }).toPass({ timeout: 15_000 });
  await page.getByRole("table").getByRole("rowheader").first().getByRole("link").click();
  await expect(page.getByRole("region", { name: "What can be done" }).getByRole("button", { name: "Restore" })).toBeVisible();

  await page.goto("/outbox/jobs");
  await page.getByRole("rowheader").getByRole("link", { name: /Quarantine 4\sentries/ }).click();
  await page.getByText("Undo", { exact: true }).first().click();
  const undo = page.locator("#step-undo");
  await undo.getByLabel("Remark, kept in the audit log").fill("4.18.1 is out early");
  await undo.getByRole("button", { name: "Undo" }).click();
  await settles(page, "Taken back");
  await page.goto(`/outbox/entries?filter=state:poisoned+device:${device!.name}`);
  await settles(page, "All 2\u00a0that match");
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveCount(2);
});

test("what waits behind an entry that only its device has goes out once it is let go", async ({ page, fleet }) => {
  const device = await fleet.device("LOW-TAB-0611").enrol({ app_version: "4.18.0" });
  const { jam, named, later } = await device.jam();
  await page.goto(`/outbox/entries/${device.id}/${jam}`);
  await settles(page, "2 entries wait behind it.");
  await expect(page.getByRole("region", { name: "Waits behind it" }).getByRole("rowheader")).toHaveCount(2);
  await page.getByRole("region", { name: "What can be done" }).getByRole("button", { name: "Quarantine" }).click();
  await expect(page.getByRole("main")).toContainText("2 entries wait behind these. What becomes of them?");
  await page.getByRole("radio", { name: /^Let them go/ }).check();
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByRole("main")).toContainText("Lets the 2 entries that wait behind go out.");
  await page.getByLabel("Reason, kept in the audit log").fill("the gateway keeps it back");
  await page.getByRole("button", { name: /^Quarantine 1\sentry$/ }).click();
  await expect(page).toHaveURL(/\/outbox\/jobs\/J\d+$/);
  const job = page.url();

  await expect(async () => {
    const results = await device.letGo();
    expect(results.map(({ operation_id, status }) => [operation_id, status])).toEqual([[named, "applied"], [later, "applied"]]);
  }).toPass({ timeout: 15_000 });
  await page.goto(job);
  await settles(page, "1 of 1 settled");
  for (const operation of [named, later]) {
    await page.goto(`/log?filter=operation:${operation}`);
    await expect(page.getByRole("table").getByRole("rowheader"), `${operation} is in the log`).toHaveCount(1);
  }
  await page.goto(`/outbox/entries/${device.id}/${jam}`);
  await settles(page, "Quarantined. A person has taken it out of the queue. It can be put back.");
  await expect(page.getByRole("region", { name: "Waits behind it" })).toContainText("Nothing waits behind it");
});

test.describe("what touches many devices", () => {
  test.use({ as: "operator" });

  test("needs its number typed and a second person, and nobody approves their own", async ({ page, fleet, browser, console }) => {
    test.slow();
    await release(page, fleet, Array.from({ length: 11 }, (_, at) => `YAR-TAB-07${String(at).padStart(2, "0")}`));
    await choose(page, "Discard");
    await expect(page.getByRole("main")).toContainText("More than 10 devices, so a second person has to approve");
    await expect(page.getByRole("main")).toContainText("ines.carvalho (product owner)");
    await page.getByRole("link", { name: "View list" }).click();
    await expect(page).toHaveURL(/\/outbox\/drain\/S\d+\/items$/);
    await expect(page.getByRole("table", { name: "Entries of the frozen set" }).getByRole("row")).toHaveCount(23);
    await page.getByRole("main").getByRole("link", { name: /^Discard 22\sentries$/ }).click();
    await page.getByLabel("Reason, kept in the audit log").fill("made by a test rig, not wanted");
    await page.getByLabel(/^Type the number of entries/).fill("21");
    await page.getByRole("button", { name: /^Ask to discard 22\sentries$/ }).click();
    await expect(page.getByRole("main")).toContainText("You typed 21. The set holds 22.");
    await page.getByLabel(/^Type the number of entries/).fill("22");
    await page.getByRole("button", { name: /^Ask to discard 22\sentries$/ }).click();
    await expect(page.getByRole("main")).toContainText("Waits for a second person until");
    await expect(page.getByRole("button", { name: "Approve" })).toHaveAttribute("title", "Needs the role product owner or admin; yours is operator");

    const other = await stranger(browser);
    const second = await other.newPage();
    await second.goto(`${console.server.url}/sign-in`);
    await signIn(second, "product_owner");
    await second.goto(page.url());
    const asked = second.getByRole("region", { name: "What is asked for" });
    await expect(asked, "nobody approves what they have not seen").toContainText(/22\sentries on 11\sdevices.*Dry run.*Does not/);
    await second.getByRole("link", { name: /^All 22\sentries of the set$/ }).click();
    await expect(second.getByRole("table", { name: "Entries of the frozen set" })).toContainText("YAR-TAB-0710");
    await second.goto(page.url());
    await second.getByText("Approve", { exact: true }).first().click();
    const approve = second.locator("#step-approve");
    await approve.getByLabel("Remark, kept in the audit log").fill("confirmed with the yard");
    await approve.getByRole("button", { name: "Approve" }).click();
    await other.close();
    await settles(page, "22 of 22 settled");
    await expect(page.getByRole("main")).toContainText("approved by ines.carvalho");
  });
});

test.describe("a viewer", () => {
  test.use({ as: "viewer" });

  test("sees every action and the role that it needs", async ({ page, fleet }) => {
    const [device] = await release(page, fleet);
    await page.goto("/outbox/entries");
    const bar = page.getByRole("group", { name: "Drain entries" });
    await expect(bar.getByRole("button", { name: "Discard" })).toHaveAttribute("title", "Needs the role support, operator or admin; yours is viewer");
    await page.goto(`${device!.path}/commands`);
    await expect(page.getByRole("button", { name: "Send it" })).toHaveAttribute("aria-disabled", "true");
  });
});

test("a command waits for its device, says when it is expected, and can be called back", async ({ page, fleet }) => {
  const [device] = await release(page, fleet);
  await page.goto(device!.path);
  await page.getByRole("link", { name: "Commands" }).click();
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "device-commands.aria.yml" });
  await page.getByRole("radio", { name: /^Upload payloads/ }).check();
  await page.getByLabel("Reason, kept in the audit log").fill("to see what it holds");
  await page.getByRole("button", { name: "Send it" }).click();
  const flight = page.getByRole("region", { name: "Commands in flight" });
  await expect(flight).toContainText("Upload payloads");
  await expect(flight.getByRole("listitem").filter({ hasText: "Queued" }).first()).toContainText("waiting for the device");
  await flight.getByText("Cancel", { exact: true }).first().click();
  const cancel = flight.locator("details[open]");
  await cancel.getByLabel("Reason, kept in the audit log").fill("asked for by mistake");
  await cancel.getByRole("button", { name: "Cancel" }).click();
  await expect(row(page, /Upload payloads/)).toContainText("Cancelled");
});

test("a set or a drain that is not there is a 404 that leads on", async ({ page, complaints }) => {
  complaints.foresee(/status of 404/);
  expect((await page.goto("/outbox/drain/S9999"))?.status()).toBe(404);
  await page.getByRole("link", { name: "See the failures" }).click();
  await expect(page).toHaveURL("/outbox");
  expect((await page.goto("/outbox/jobs/J9999"))?.status()).toBe(404);
  await page.getByRole("link", { name: "See all drains" }).click();
  await expect(page).toHaveURL("/outbox/jobs");
});
