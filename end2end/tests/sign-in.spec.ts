// Signing in and out: the form, its refusals, and the way back to the page that was asked for.

import { HARBOUR, STAFF, expect, signIn, test } from "../fixtures.ts";

test.use({ as: "nobody" });

test("the form names its fields and says who may do what", async ({ page }) => {
  await page.goto("/sign-in");
  await expect(page).toHaveTitle("Sign in · Tidewatch");
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "sign-in.aria.yml" });
});

test("name and password lead to the overview", async ({ page }) => {
  await page.goto("/sign-in");
  await signIn(page, "operator");
  await expect(page).toHaveURL("/");
  await expect(page.getByRole("heading", { level: 1, name: "Fleet health" })).toBeVisible();
});

test("a link from a chat leads through the form to the page it names", async ({ page }) => {
  await page.goto("/devices?filter=platform:ios");
  await expect(page).toHaveURL(/\/sign-in\?next=/);
  await expect(page.getByRole("status")).toContainText("Sign in to go on");
  await signIn(page, "viewer");
  await expect(page).toHaveURL("/devices?filter=platform:ios");
  await expect(page.getByRole("rowheader", { name: HARBOUR.well })).toBeVisible();
});

test("a link cannot lead from the form to another site", async ({ page, baseURL }) => {
  for (const next of ["https://evil.example/", "//evil.example/", "/\\evil.example/"]) {
    // The page before is left first: its event stream would be refused.
    await page.goto("about:blank");
    await page.context().clearCookies();
    await page.goto(`/sign-in?next=${encodeURIComponent(next)}`);
    await signIn(page, "viewer");
    await expect(page).toHaveURL(`${baseURL}/`);
  }
});

test("every page but the form asks for a sign-in, and shows nothing of the fleet", async ({ page }) => {
  for (const path of ["/", "/devices", "/log", "/audit", "/operations", "/palette?q=LOW", "/legend"]) {
    await page.goto(path);
    await expect(page, path).toHaveURL(/\/sign-in/);
    await expect(page.getByRole("heading", { level: 1, name: "Sign in" }), path).toBeVisible();
    await expect(page.getByRole("navigation", { name: "Main" }), path).toBeHidden();
  }
});

test.describe("refusals", () => {
  test.use({ store: "own" });

  test("a wrong password is refused in words that do not tell whether the name exists", async ({ page }) => {
    await page.goto("/sign-in?next=/devices");
    await signIn(page, "operator", "not the password of maya");
    await expect(page).toHaveURL(/\/sign-in\?/);
    const refusal = page.getByRole("alert");
    await expect(refusal).toContainText("Name or password is wrong");
    const words = await refusal.innerText();
    await page.getByRole("textbox", { name: "Name" }).fill("nobody.at.all");
    await page.getByLabel("Password").fill("not the password of maya");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(refusal).toHaveText(words, { useInnerText: true });
    expect(page.url()).not.toContain("password");
    await signIn(page, "operator");
    await expect(page, "the way back survives the refusals").toHaveURL("/devices");
  });

  test("refused and accepted sign-ins are in the audit log", async ({ page }) => {
    await page.goto("/sign-in?next=/audit");
    await signIn(page, "operator", "not the password of maya");
    await signIn(page, "operator");
    const rows = page.getByRole("table").getByRole("row").filter({ hasText: `user:${STAFF.operator.name}` });
    await expect(rows.filter({ has: page.getByRole("rowheader", { name: "session_refuse" }) })).toHaveCount(1);
    await expect(rows.filter({ has: page.getByRole("rowheader", { name: "session_create" }) })).toHaveCount(1);
  });

  test("a name that is guessed at again and again is locked for a while, with its real password too", async ({ page }) => {
    await page.goto("/sign-in");
    await expect(async () => {
      await signIn(page, "viewer", "guessing, guessing, guessing");
      await expect(page.getByRole("alert")).toContainText("Too many attempts for this name", { timeout: 1 });
    }).toPass({ intervals: [0] });
    await signIn(page, "viewer");
    await expect(page.getByRole("alert")).toContainText("Too many attempts for this name");
    await signIn(page, "operator");
    await expect(page, "others are not locked out").toHaveURL("/");
  });
});

test("signing out ends the session for good", async ({ page, context }) => {
  await page.goto("/sign-in");
  await signIn(page, "operator");
  await expect(page).toHaveURL("/");
  const kept = await context.cookies();
  await page.getByLabel(`${STAFF.operator.name}, operator: account menu`).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("status")).toContainText("You are signed out");
  await context.addCookies(kept);
  await page.goto("/devices");
  await expect(page, "the old cookie opens nothing").toHaveURL(/\/sign-in/);
});

test.describe("sessions", () => {
  test.use({ store: "own", settings: { TIDEWATCH_SESSION_SECONDS: "2" } });

  test("a session that has run out leads to the form, and from there back", async ({ page, context }) => {
    await page.goto("/sign-in?next=/devices");
    await signIn(page, "operator");
    await expect(page).toHaveURL("/devices");
    const kept = await context.cookies();
    // A page that follows the fleet reloads when its session ends, and would do so in the middle of the next visit.
    await page.goto("about:blank");
    await expect.poll(() => context.cookies(), "the browser drops the cookie by itself").toEqual([]);
    // A browser that kept it, or a clock that is wrong: the server says the same.
    for (const cookies of [[], kept.map((cookie) => ({ ...cookie, expires: -1 }))]) {
      await context.addCookies(cookies);
      await page.goto("/log");
      await expect(page).toHaveURL(/\/sign-in\?next=(\/|%2F)log/);
      await expect(page.getByRole("status")).toContainText("There is no session, or it has ended");
    }
    await signIn(page, "operator");
    await expect(page).toHaveURL("/log");
  });
});
