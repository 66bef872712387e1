// AsyncStorage as an app sees it: text by key, outside the app's memory, without transactions. One file a key.

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class AsyncStorage {
  constructor(folder = mkdtempSync(join(tmpdir(), "asyncstorage-"))) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  path(key) {
    return join(this.folder, encodeURIComponent(key));
  }

  async setItem(key, text) {
    // A file is there whole or not at all, as a row of the real thing is.
    const fresh = `${this.path(key)}~`;
    writeFileSync(fresh, text);
    renameSync(fresh, this.path(key));
  }

  async getItem(key) {
    try {
      return readFileSync(this.path(key), "utf8");
    } catch (error) {
      if (error.code === "ENOENT") return null;
      throw error;
    }
  }

  multiGet(keys) {
    return Promise.all(keys.map(async (key) => [key, await this.getItem(key)]));
  }

  async multiRemove(keys) {
    for (const key of keys) rmSync(this.path(key), { force: true });
  }

  async getAllKeys() {
    return readdirSync(this.folder).filter((name) => !name.endsWith("~")).map(decodeURIComponent);
  }

  clear() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
