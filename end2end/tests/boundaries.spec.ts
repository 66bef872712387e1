// The two doors: what belongs to devices does not open the console, what belongs to staff does not open the sync API, and each
// refusal says so in the language of its door.

import { HARBOUR, expect, test } from "../fixtures.ts";

const PAGES = ["/", "/devices", "/log", "/audit", "/operations", "/console/events"];

test("a device token opens no page of the console, nor does any other token", async ({ baseURL, console }) => {
  const { enrolment, token } = await console.fleet.device(HARBOUR.well);
  for (const [whose, secret] of [["a device", token], ["an enrolment", enrolment], ["nobody", "twd_made_up"]]) {
    for (const path of PAGES) {
      const answer = await fetch(baseURL + path, { headers: { authorization: `Bearer ${secret}` }, redirect: "manual" });
      expect(answer.status, `${whose} at ${path}`).toBe(401);
      expect(answer.headers.get("content-type"), path).toContain("application/problem+json");
      const problem = await answer.json();
      expect(problem, path).toMatchObject({ status: 401, code: "credential_required", detail: expect.stringContaining("session of a signed-in person") });
    }
  }
});

test("a device token exports nothing and reads nothing of the read API", async ({ baseURL, console }) => {
  const { token } = console.fleet.device(HARBOUR.well);
  for (const path of ["/export/devices.csv", "/export/audit.ndjson", "/api/v1/devices", "/api/v1/audit", "/api/v1/resilience-report"]) {
    const answer = await fetch(baseURL + path, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status, path).toBe(401);
    expect(await answer.json(), path).toMatchObject({ code: "credential_required", detail: expect.stringContaining("the access token of a device was sent") });
  }
});

test("a console cookie opens nothing of the sync API", async ({ baseURL, cookieOf }) => {
  const cookie = await cookieOf("admin");
  const json = { "content-type": "application/json" };
  const requests: [method: string, path: string, headers: Record<string, string>, body?: string][] = [
    ["GET", "/api/v1/sync/changes", {}],
    ["POST", "/mutations", json, '{"protocol":1,"mutations":[]}'],
    ["POST", "/mutations/status", json, '{"operation_ids":[]}'],
    ["POST", "/telemetry", json, '{"reports":[]}'],
    ["POST", "/clients", json, '{"platform":"ios"}'],
    ["GET", "/events", {}],
  ];
  for (const [method, path, headers, body] of requests) {
    const answer = await fetch(baseURL + path, { method, body, headers: { ...headers, cookie, "sync-protocol": "1", "sec-fetch-site": "same-origin" }, redirect: "manual" });
    expect(answer.status, `${method} ${path}`).toBe(401);
    expect(answer.headers.get("content-type"), path).toContain("application/problem+json");
    const problem = (await answer.json()) as Record<string, unknown>;
    expect(problem, path).toMatchObject({ status: 401, type: "urn:sync:problem:credential_required", code: "credential_required", detail: expect.stringContaining("token") });
  }
});

test("a form posted from another site is refused, session or not", async ({ baseURL, cookieOf }) => {
  const cookie = await cookieOf("operator");
  const body = new URLSearchParams({ name: "maya.okafor", password: "anything at all" });
  for (const path of ["/console/session/sign_out", "/console/session/sign_in"]) {
    for (const [name, value] of [["sec-fetch-site", "cross-site"], ["sec-fetch-site", "same-site"], ["origin", "https://evil.example"]] as const) {
      const answer = await fetch(baseURL + path, { method: "POST", body, headers: { cookie, [name]: value }, redirect: "manual" });
      expect(answer.status, `${path} with ${name}: ${value}`).toBe(403);
    }
  }
  const still = await fetch(`${baseURL}/devices`, { headers: { cookie }, redirect: "manual" });
  expect(still.status, "the session has not been ended by it").toBe(200);
});
