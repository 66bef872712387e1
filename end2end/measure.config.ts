// What only a browser can measure, against the bars of the product: `cargo xtask bench live`. The set-up is that of the journeys.

import { defineConfig } from "@playwright/test";
import journeys from "./playwright.config.ts";

export default defineConfig({ ...journeys, testDir: "measure", workers: 1, timeout: 120_000, reporter: "line", projects: [{ name: "measure" }] });
