// The pages of commands in both themes: axe finds nothing. With JavaScript only, because axe itself is a script.

import { axe, expect, test } from "../fixtures.ts";

test.use({ store: "own", as: "operator" });

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(`in the ${colorScheme} theme`, () => {
    test.use({ colorScheme });

    test("axe finds nothing on a command, nor on the form with every field open", async ({ page, fleet }) => {
      const device = fleet.device(`LOW-TAB-062${colorScheme === "light" ? 1 : 2}`);
      await device.enrol();
      await device.report();
      await page.goto(`${device.path}/commands`);
      await page.getByRole("radio", { name: /^Change mesh/ }).check();
      expect.soft(await axe(page), "the form about the mesh").toEqual([]);
      await page.getByRole("radio", { name: /^Upload logs/ }).check();
      expect.soft(await axe(page), "the form about the log").toEqual([]);
      await page.getByLabel("Reason, kept in the audit log").fill("to see why it stopped pushing");
      await page.getByRole("button", { name: "Send it" }).click();
      await page.getByRole("link", { name: "Upload logs" }).click();
      expect.soft(await axe(page), "a queued command").toEqual([]);
      const [command] = await device.commands();
      const at = new Date().toISOString();
      await device.uploadLog(command!.id, [{ at, level: "error", target: "sync.push", message: "a push failed" }, { at, level: "warn", target: "app", message: "slow" }]);
      await device.say(command!.id, { state: "done", result: {} });
      await page.reload();
      await expect(page.getByRole("region", { name: "Lines" })).toContainText("a push failed");
      expect.soft(await axe(page), "lines of a log").toEqual([]);
    });
  });
}
