// The built binary as journeys use it: a console with a store of its own on a free port, stopped by its process id.
//
// Invariant: a server that logs a panic or an error, or does not end with 0 on SIGTERM, fails the journey that used it.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** The binary under test. */
export const BINARY = resolve(here, process.env.TIDEWATCH_BIN ?? "../target/debug/tidewatch");

/** How long a server may take until it is ready, and until it has ended, milliseconds. */
const PATIENCE_MS = 15_000;
/** Pause between two looks at a condition, milliseconds. */
const LOOK_MS = 25;

/** Members of staff that every store has. */
export const STAFF = {
  admin: { name: "ada.admin", password: "a lighthouse keeps no hours" },
  operator: { name: "maya.okafor", password: "slack water before the flood" },
  support: { name: "jonas.lind", password: "a rope for every harbour wall" },
  product_owner: { name: "ines.carvalho", password: "charts before departure" },
  viewer: { name: "vera.lind", password: "only looking at the horizon" },
} as const;
export type Role = keyof typeof STAFF;

/** Runs a command of the binary to its end and gives what it printed. */
export function tidewatch(words: string[], input = ""): string {
  if (!existsSync(BINARY)) throw new Error(`There is no binary at ${BINARY}: \`cargo xtask build\` makes it.`);
  const { status, stdout, stderr } = spawnSync(BINARY, words, { input, encoding: "utf8", env: environment({}) });
  if (status !== 0) throw new Error(`tidewatch ${words.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

/** A folder that only this run uses. */
export function temporaryFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `tidewatch-${name}-`));
}

/** Waits for a condition, not for a time. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`Waited ${PATIENCE_MS} ms in vain until ${what}`);
    await new Promise((wake) => setTimeout(wake, LOOK_MS));
  }
}

/** The environment without settings of the person who runs the journeys. */
function environment(extra: Record<string, string>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(TIDEWATCH|LEPTOS|RUST_LOG)/.test(name));
  return { ...Object.fromEntries(own), ...extra };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((listening) => probe.listen(0, "127.0.0.1", listening));
  const { port } = probe.address() as { port: number };
  await new Promise((closed) => probe.close(closed));
  return port;
}

/** How a server is started. */
export interface ServerSettings {
  /** Data folder that is copied: users and tokens made once, by the binary itself. Without it the store is new. */
  template?: string;
  /** `TIDEWATCH_*` settings. */
  settings?: Record<string, string>;
}

/** One server with its own store. */
export class Server {
  readonly url: string;
  readonly data: string;
  #process: ChildProcess | undefined;
  #log = "";
  #settings: Record<string, string>;

  private constructor(data: string, port: number, settings: Record<string, string>) {
    this.data = data;
    this.url = `http://127.0.0.1:${port}`;
    this.#settings = settings;
  }

  /** Starts a server and waits until it says that it is ready. */
  static async start({ template, settings = {} }: ServerSettings): Promise<Server> {
    // A folder of its own around it, because the server keeps a hint beside its data.
    const data = join(temporaryFolder("store"), "data");
    if (template) cpSync(template, data, { recursive: true });
    const server = new Server(data, await freePort(), settings);
    await server.run();
    return server;
  }

  /** What it wrote so far. */
  get log(): string {
    return this.#log;
  }

  /** Starts the process; also again after `halt`, on the same port and store. */
  async run(): Promise<void> {
    const words = ["serve", "--data", this.data, "--listen", new URL(this.url).host];
    const child = spawn(BINARY, words, { env: environment(this.#settings), stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (bytes) => (this.#log += bytes));
    await until(`${this.url} is ready`, async () => {
      if (child.exitCode !== null) throw new Error(`The server ended with ${child.exitCode}:\n${this.#log}`);
      return fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false);
    });
  }

  /** Ends the process at once, as a power cut would, keeping its store. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    child?.kill("SIGKILL");
    await until("the server is gone", () => !child || child.exitCode !== null || child.signalCode !== null);
  }

  /** Asks the process to end and waits until it has, keeping its store. */
  async halt(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child) return;
    const ended = () => child.exitCode !== null || child.signalCode !== null;
    child.kill("SIGTERM");
    try {
      await until("the server has ended", ended);
    } finally {
      if (!ended()) child.kill("SIGKILL");
    }
    if (child.exitCode !== 0) throw new Error(`SIGTERM: the server ended with ${child.exitCode ?? child.signalCode}, not 0:\n${this.#log}`);
  }

  /** Ends the server and removes its store. */
  async stop(): Promise<void> {
    try {
      await this.halt();
    } finally {
      rmSync(dirname(this.data), { recursive: true, force: true });
    }
    const faults = this.#log.split("\n").filter((line) => /panicked at|\bERROR\b/.test(line));
    if (faults.length > 0) throw new Error(`The server logged faults:\n${faults.join("\n")}`);
  }
}
