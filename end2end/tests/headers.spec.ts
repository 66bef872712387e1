// What every answer says to the browser: the policy for scripts, caching, framing, cookies.

import { expect, pagesOf, stranger, test } from "../fixtures.ts";

test("every page has a strict policy, and a nonce of its own if it has one at all", async ({ page, fleet, complaints }) => {
  complaints.foresee(/status of 40[04]/);
  const nonces = new Set<string>();
  let withNonce = 0;
  for (const [name, path] of pagesOf(fleet)) {
    const headers = (await page.goto(path))?.headers() ?? {};
    const policy = new Map((headers["content-security-policy"] ?? "").split(";").map((part) => part.trim().split(/\s+(.*)/s) as [string, string]));
    expect(policy.get("default-src"), name).toMatch(/^'(self|none)'$/);
    const scripts = policy.get("script-src") ?? policy.get("default-src") ?? "";
    expect(scripts, name).not.toMatch(/'unsafe-(inline|eval)'|\*|https?:/);
    expect(policy.get("style-src") ?? policy.get("default-src"), name).not.toContain("'unsafe-inline'");
    expect(policy.get("object-src"), name).toBe("'none'");
    expect(policy.get("base-uri"), name).toBe("'none'");
    expect(policy.get("frame-ancestors"), name).toBe("'none'");
    expect(policy.get("form-action"), name).toBe("'self'");
    expect(headers["x-content-type-options"], name).toBe("nosniff");
    expect(headers["referrer-policy"], name).toMatch(/same-origin|no-referrer/);
    expect(headers["cache-control"], name).toContain("no-store");
    expect(headers["content-type"], name).toBe("text/html; charset=utf-8");
    const nonce = /'nonce-([^']+)'/.exec(scripts)?.[1];
    if (nonce) {
      withNonce += 1;
      nonces.add(nonce);
    }
  }
  expect(nonces.size, "no nonce is used twice").toBe(withNonce);
});

test("no page carries a script without the page's own nonce or a style, and nothing comes from elsewhere", async ({ page, fleet, complaints, baseURL }) => {
  complaints.foresee(/status of 40[04]/);
  const foreign: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(`${baseURL}/`) && !request.url().startsWith("data:")) foreign.push(request.url());
  });
  for (const [name, path] of pagesOf(fleet)) {
    const answer = await page.goto(path);
    const html = (await answer?.text()) ?? "";
    const nonce = /'nonce-([^']+)'/.exec(answer?.headers()["content-security-policy"] ?? "")?.[1] ?? "none";
    const inline = html.match(/<script(?![^>]*(\bsrc=|application\/json))[^>]*>/g) ?? [];
    expect(inline.filter((tag) => !tag.includes(`nonce="${nonce}"`)), name).toEqual([]);
    expect(html.match(/<style[\s>]|\sstyle="|\son[a-z]+="/g) ?? [], name).toEqual([]);
  }
  expect(foreign).toEqual([]);
});

test("built files are kept for ever, typed and compressed", async ({ page, baseURL }) => {
  await page.goto("/");
  const html = await page.content();
  const assets = [...new Set(html.match(/\/assets\/[^"]+/g))];
  expect(assets.some((path) => path.endsWith(".css"))).toBe(true);
  for (const path of assets) {
    const answer = await fetch(baseURL + path, { headers: { "accept-encoding": "br" } });
    expect(answer.status, path).toBe(200);
    expect(answer.headers.get("cache-control"), path).toContain("immutable");
    expect(answer.headers.get("x-content-type-options"), path).toBe("nosniff");
    if (/\.(css|js|wasm)$/.test(path)) expect(answer.headers.get("content-encoding"), path).toBe("br");
  }
});

test.describe("the session cookie", () => {
  test.use({ as: "nobody" });

  test("is only for this host, only for HTTP, and not for other sites", async ({ context, console, browser }) => {
    const state = await console.session("operator", () => stranger(browser));
    expect(state.cookies).toHaveLength(1);
    expect(state.cookies[0]).toMatchObject({ name: expect.stringMatching(/^__Host-/), httpOnly: true, secure: true, sameSite: "Lax", path: "/" });
    await context.clearCookies();
  });
});
