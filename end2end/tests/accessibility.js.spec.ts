// Every page in both themes: axe finds nothing. With JavaScript only, because axe itself is a script.

import { axe, expect, pagesOf, test } from "../fixtures.ts";

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(`in the ${colorScheme} theme`, () => {
    test.use({ colorScheme });

    test("axe finds nothing on any page", async ({ page, fleet, complaints }) => {
      test.slow();
      complaints.foresee(/status of 40[04]/);
      for (const [name, path] of pagesOf(fleet)) {
        await page.goto(path);
        expect.soft(await axe(page), name).toEqual([]);
      }
    });
  });
}

test.describe("before signing in", () => {
  test.use({ as: "nobody" });

  test("axe finds nothing on the form and on its refusal", async ({ page }) => {
    for (const path of ["/sign-in", "/sign-in?notice=wrong", "/sign-in?notice=expired"]) {
      await page.goto(path);
      expect.soft(await axe(page), path).toEqual([]);
    }
  });
});

test.describe("390 wide", () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test("axe finds nothing on the narrow form of the tables", async ({ page, fleet }) => {
    for (const [name, path] of pagesOf(fleet).filter(([name]) => ["overview", "devices", "changes", "device outbox"].includes(name))) {
      await page.goto(path);
      expect.soft(await axe(page), name).toEqual([]);
    }
  });
});

