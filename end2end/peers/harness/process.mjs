// Servers as processes of their own: started, watched through /proc (Linux only), told to stop by their id.

import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";

import { request } from "./http.mjs";

const START_PATIENCE_MS = 60_000;
const STOP_PATIENCE_MS = 30_000;
const TICK_S = 0.01;

/** A port that is free now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Runs a program to its end and gives what it printed. */
export function errand(program, words, input = "") {
  const done = spawnSync(program, words, { input, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${program} ${words.join(" ")} ended with ${done.status ?? done.error}: ${done.stderr}`);
  return done.stdout.trim();
}

export class Process {
  constructor(program, words, options = {}) {
    this.said = "";
    this.child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"], ...options });
    this.ended = new Promise((resolve) => this.child.once("close", resolve));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on("data", (bytes) => (this.said = (this.said + bytes).slice(-2_000)));
    }
  }

  /** Waits until this address answers at all. */
  async ready(url) {
    for (const started = Date.now(); Date.now() - started < START_PATIENCE_MS; ) {
      if (this.child.exitCode !== null) break;
      try {
        await request(url, { agent: undefined });
        return this;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    throw new Error(`nothing answers at ${url}: ${this.said}`);
  }

  /** Waits until it has said something. */
  async until(words) {
    for (const started = Date.now(); Date.now() - started < START_PATIENCE_MS && this.child.exitCode === null; ) {
      if (words.test(this.said)) return this;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`it never said ${words}: ${this.said}`);
  }

  async stop() {
    this.child.kill("SIGTERM");
    const late = setTimeout(() => this.child.kill("SIGKILL"), STOP_PATIENCE_MS);
    await this.ended;
    clearTimeout(late);
  }

  /** Seconds of processor time so far, in user and kernel mode. */
  cpu() {
    return cpuOf(this.child.pid);
  }

  /** Megabytes in memory now, and the most there ever were. */
  memory() {
    const text = readFileSync(`/proc/${this.child.pid}/status`, "utf8");
    const mb = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0) / 1_024;
    return { resident: mb("VmRSS"), peak: mb("VmHWM") };
  }
}

function cpuOf(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const columns = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(columns[11]) + Number(columns[12])) * TICK_S;
}

function machineCpu() {
  const [user, nice, system, , , irq, softirq] = readFileSync("/proc/stat", "utf8").split("\n")[0].split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) * TICK_S;
}

/** Watches what a stretch of time costs: the servers under test, this driver, everybody else. */
export class Meter {
  constructor(servers) {
    this.servers = servers;
    this.before = this.now();
  }

  now() {
    const server = this.servers.reduce((sum, process) => sum + process.cpu(), 0);
    return { at: performance.now(), server, own: cpuOf(process.pid), machine: machineCpu() };
  }

  /** What `units` of work came to: a second, a second of the servers' processor time, and the share of the machine of others. */
  stop(units) {
    const [before, after] = [this.before, this.now()];
    const seconds = (after.at - before.at) / 1_000;
    const [server, own, machine] = ["server", "own", "machine"].map((name) => after[name] - before[name]);
    const foreign = (Math.max(machine - server - own, 0) / (seconds * availableParallelism())) * 100;
    return { seconds, rate: units / seconds, perCpu: units / Math.max(server, TICK_S), foreign };
  }
}
