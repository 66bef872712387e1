// What journeys stand on: a console with a small fleet that everyone reads, or one of their own to change; staff signed in by
// the real form; and a browser whose every complaint fails the journey.
//
// `harbour` (the shared fleet) is never changed by a journey. A journey that changes something says `test.use({ store: "own" })`.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContext, type BrowserContextOptions, type Locator, type Page, expect, test as base } from "@playwright/test";
import { Fleet } from "./fleet.ts";
import { type Role, STAFF, Server } from "./server.ts";
import { TEMPLATE_DATA, TEMPLATE_ENROLMENT } from "./template.ts";

export { expect } from "@playwright/test";
export { STAFF } from "./server.ts";

/** What a journey may choose with `test.use`. */
export interface StoreOptions {
  /** `shared`: the harbour fleet, read only. `own`: staff, no devices. `new`: nothing at all, as on the first start. */
  store: "shared" | "own" | "new";
  /** Settings of an own store's server. */
  settings: Record<string, string>;
  /** Who has signed in before the journey starts. */
  as: Role | "nobody";
}

type StorageState = Exclude<BrowserContextOptions["storageState"], string | undefined>;

/** A browser that nobody has signed in with. */
const NOBODY: StorageState = { cookies: [], origins: [] };

/** A window of a browser that has been nowhere: without this, a new one takes over the session of the journey. */
export function stranger(browser: Browser): Promise<BrowserContext> {
  return browser.newContext({ storageState: NOBODY });
}

/** A console: its server, its devices, and the sessions of its staff. */
export class Console {
  readonly server: Server;
  readonly fleet: Fleet;
  #sessions = new Map<Role, StorageState>();

  constructor(server: Server) {
    this.server = server;
    this.fleet = new Fleet(server.url, process.env[TEMPLATE_ENROLMENT] ?? "");
  }

  /** A console with staff and an enrolment token, and no device. */
  static async start(settings: Record<string, string> = {}): Promise<Console> {
    return new Console(await Server.start({ template: process.env[TEMPLATE_DATA], settings }));
  }

  /** The session of a member of staff, made once by signing in. */
  async session(role: Role, opened: () => Promise<BrowserContext>): Promise<StorageState> {
    const known = this.#sessions.get(role);
    if (known) return known;
    const context = await opened();
    const page = await context.newPage();
    await page.goto(`${this.server.url}/sign-in`);
    await signIn(page, role);
    await expect(page).toHaveURL(`${this.server.url}/`);
    const state = await context.storageState();
    await context.close();
    this.#sessions.set(role, state);
    return state;
  }

  /** The session cookie of a role as a header, for requests outside the browser. */
  async cookie(role: Role, opened: () => Promise<BrowserContext>): Promise<string> {
    const { cookies } = await this.session(role, opened);
    return cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  }
}

/** Fills in the sign-in form of the page. */
export async function signIn(page: Page, role: Role, password: string = STAFF[role].password): Promise<void> {
  await page.getByRole("textbox", { name: "Name" }).fill(STAFF[role].name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** The devices of the shared fleet. */
export const HARBOUR = {
  /** Has pushed and pulled, reports an empty outbox. */
  well: "LOW-TAB-0412",
  /** The same, of another owner and platform. */
  other: "LOW-PHN-0207",
  /** Three rejected entries and two behind them. */
  stuck: "HAR-PHN-0871",
  /** Enrolled, never in contact since. */
  never: "YAR-DSK-0021",
} as const;

/** Fills a console with the harbour fleet. */
async function fill(console: Console): Promise<void> {
  const { fleet } = console;
  const well = await fleet.device(HARBOUR.well).enrol({ platform: "ios", principal: "Ruth Adeyemi", app_version: "4.2.1" });
  await well.push(
    { record: "INS-0001", fields: { result: "pass", reading: 11 } },
    { record: "INS-0002", fields: { result: "repair", reading: 12 } },
    { record: "AST-0001", collection: "assets", fields: { name: "Bilge pump", condition: "good" } },
  );
  const other = await fleet.device(HARBOUR.other).enrol({ platform: "android", principal: "Kari Sørensen", app_version: "4.1.0" });
  await other.push({ record: "INS-0002", op: "update", base_version: 1, fields: { result: "pass" } });
  const stuck = await fleet.device(HARBOUR.stuck).enrol({ platform: "android", principal: "Jonas Whitlock", app_version: "4.2.0" });
  await stuck.poison(3, 2);
  await fleet.device(HARBOUR.never).enrol({ platform: "windows", principal: "Luc Fontaine", app_version: "4.2.1" });
  for (const device of [well, other]) await (await device.pull()).report();
}

/** Everything the browser complained about: warnings and errors of its console, exceptions, requests that failed. */
export class Complaints {
  #seen: string[] = [];
  #foreseen: RegExp[] = [];
  #forgiven: RegExp[] = [];

  /** Listens to every page of a context. */
  watch(context: BrowserContext): void {
    context.on("console", (message) => {
      if (["warning", "error"].includes(message.type())) this.#seen.push(`${message.type()}: ${message.text()} (${message.location().url})`);
    });
    context.on("weberror", (error) => this.#seen.push(`exception: ${error.error().message}`));
    context.on("requestfailed", (request) => {
      const why = request.failure()?.errorText ?? "";
      // A page that is left takes its requests with it.
      if (why !== "net::ERR_ABORTED") this.#seen.push(`failed: ${request.url()} ${why}`);
    });
  }

  /** A complaint that belongs to the journey: it must come, and it is then forgiven. */
  foresee(...complaints: RegExp[]): void {
    this.#foreseen.push(...complaints);
  }

  /** A complaint that may come or not, as the timing has it. */
  forgive(...complaints: RegExp[]): void {
    this.#forgiven.push(...complaints);
  }

  /** Compares what came with what was foreseen. */
  settle(): void {
    const missing = this.#foreseen.filter((pattern) => !this.#seen.some((text) => pattern.test(text)));
    const known = [...this.#foreseen, ...this.#forgiven];
    const surplus = this.#seen.filter((text) => !known.some((pattern) => pattern.test(text)));
    expect({ surplus, missing: missing.map(String) }, "what the browser complained about").toEqual({ surplus: [], missing: [] });
  }
}

interface Journey {
  /** The console of this journey. */
  console: Console;
  /** Its devices. */
  fleet: Fleet;
  /** What the browser may complain about. */
  complaints: Complaints;
  /** The session cookie of a role as a header. */
  cookieOf: (role: Role) => Promise<string>;
}

interface Worker {
  /** The console whose fleet nobody changes. */
  harbour: () => Promise<Console>;
}

export const test = base.extend<StoreOptions & Journey, Worker>({
  store: ["shared", { option: true }],
  settings: [{}, { option: true }],
  as: ["operator", { option: true }],

  harbour: [
    async ({}, use) => {
      let started: Promise<Console> | undefined;
      const filled = async (): Promise<Console> => {
        const console = await Console.start();
        await fill(console);
        return console;
      };
      await use(() => (started ??= filled()));
      await (await started)?.server.stop();
    },
    { scope: "worker" },
  ],

  console: async ({ store, settings, harbour }, use) => {
    if (store === "shared") return use(await harbour());
    const own = store === "own" ? await Console.start(settings) : new Console(await Server.start({ settings }));
    await use(own);
    await own.server.stop();
  },

  fleet: ({ console }, use) => use(console.fleet),
  baseURL: ({ console }, use) => use(console.server.url),
  cookieOf: ({ console, browser }, use) => use((role) => console.cookie(role, () => stranger(browser))),
  storageState: async ({ as, console, browser }, use) => use(as === "nobody" ? NOBODY : await console.session(as, () => stranger(browser))),

  complaints: [
    async ({ context }, use) => {
      const complaints = new Complaints();
      complaints.watch(context);
      await use(complaints);
      complaints.settle();
    },
    { auto: true },
  ],
});

/** Waits until the browser is at this address; a form writes a colon as an escape, a link does not. */
export async function expectAddress(page: Page, address: string): Promise<void> {
  const here = (): string => {
    const { pathname, search } = new URL(page.url());
    return decodeURIComponent(pathname + search.replaceAll("+", " "));
  };
  await expect.poll(here).toBe(address);
}

/** The row of a table whose head names it. */
export function row(page: Page, name: string | RegExp): Locator {
  return page.getByRole("row").filter({ has: page.getByRole("rowheader", { name }) });
}

/** Waits until the browser half has taken over; only with JavaScript. */
export async function islandsReady(page: Page): Promise<void> {
  await expect.poll(() => page.evaluate(() => document.documentElement.dataset.islands)).toBe("ready");
}

/** The pages of the harbour fleet, for sweeps: none may be left out when one is added to the rail. */
export function pagesOf(fleet: Fleet): [name: string, path: string][] {
  const { well, stuck } = HARBOUR;
  return [
    ["overview", "/"],
    ["devices", "/devices"],
    ["device timeline", fleet.device(stuck).path],
    ["device outbox", `${fleet.device(stuck).path}/outbox`],
    ["device commands", `${fleet.device(stuck).path}/commands`],
    ["device metrics", `${fleet.device(stuck).path}/metrics`],
    ["outbox", "/outbox"],
    ["outbox entries", "/outbox/entries"],
    ["outbox devices", "/outbox/devices"],
    ["outbox collections", "/outbox/collections"],
    ["outbox entry", `/outbox/entries/${fleet.device(stuck).id}/${stuck}-op-0001`],
    ["patch", `/outbox/drain/patch?entry=${fleet.device(stuck).id}/${stuck}-op-0001`],
    ["drains", "/outbox/jobs"],
    ["purges", "/outbox/purges"],
    ["changes", "/log"],
    ["find an operation", "/operations"],
    ["trace", `/operations/${well}-op-0001`],
    ["audit", "/audit"],
    ["legend", "/legend"],
    ["palette", "/palette?q=LOW"],
    ["not found", "/no-such-page"],
    ["refused filter", "/devices?filter=colour:red"],
  ];
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface AxeFinding {
  id: string;
  help: string;
  nodes: { target: unknown[]; failureSummary?: string }[];
}

/** What axe finds on the page: WCAG 2.2 A and AA and its best practices. Its source is evaluated, because the page's policy lets no foreign script in. */
export async function axe(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const run = (globalThis as unknown as { axe: { run(place: Document): Promise<{ violations: AxeFinding[] }> } }).axe;
    return (await run.run(document)).violations;
  });
  return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help} at ${JSON.stringify(node.target)} ${node.failureSummary ?? ""}`));
}
