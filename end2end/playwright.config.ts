// Journeys through the console in a real browser. Every journey runs twice, with and without JavaScript; those that need it
// are called `*.js.spec.ts` and run once. The journeys start the built binary themselves (`server.ts`).

import { existsSync } from "node:fs";
import { defineConfig, devices } from "@playwright/test";
import type { StoreOptions } from "./fixtures.ts";

/** A named browser, the system's, or else the one that Playwright manages. */
const executablePath = [process.env.CHROME_BIN, "/usr/bin/chromium"].find((path) => path && existsSync(path));

/** Nothing that leaves the machine, and what a container without a user namespace or a graphics card needs. */
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

export default defineConfig<StoreOptions>({
  testDir: "tests",
  outputDir: "test-results/artefacts",
  globalSetup: "./template.ts",
  snapshotPathTemplate: "{testDir}/{arg}{ext}",
  fullyParallel: false,
  workers: 2,
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  timeout: 30_000,
  expect: { timeout: 5_000 },
  reporter: [["list"], ["json", { outputFile: "test-results/report.json" }]],
  use: {
    ...devices["Desktop Chrome"],
    viewport: { width: 1440, height: 900 },
    locale: "en-GB",
    timezoneId: "UTC",
    colorScheme: "light",
    trace: "retain-on-failure",
    launchOptions: { executablePath, args },
  },
  projects: [
    { name: "js", testMatch: /\.spec\.ts$/ },
    { name: "nojs", testMatch: /(?<!\.js)\.spec\.ts$/, use: { javaScriptEnabled: false } },
  ],
});
