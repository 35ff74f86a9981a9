// The vendor's examples in a page of another origin: what they call, and what they do with the URLs.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { startChromium } from "./chromium.js";
import { anotherOrigin } from "./elsewhere.js";
import { BEARER, TENANT, startServer } from "./server.js";

let server;
let browser;
let elsewhere;

before(async () => {
  server = await startServer();
  browser = await startChromium();
  elsewhere = await anotherOrigin();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  elsewhere?.close();
});

// The two functions of the vendor's page as they stand there; what they call, the page leaves to its reader.
const EXAMPLES = `
async function getFileUrl(fields) {
  const response = await fetch(api.url, {
    method: 'POST',
    headers: { Authorization: 'Bearer ' + api.bearer, 'Tenant-ID': api.tenant, 'Content-Type': 'application/json' },
    body: JSON.stringify(fields)
  });
  if (!response.ok) throw new Error(response.status + ' ' + (await response.json()).error.code);
  return await response.json();
}

async function downloadFile(fileId) {
  const { url } = await getFileUrl({
    action: 'download',
    fileId
  });

  const response = await fetch(url);
  return await response.blob();
}

async function uploadFile(file) {
  const { url, fileId } = await getFileUrl({
    action: 'upload',
    fileName: file.name,
    contentType: file.type
  });

  await fetch(url, {
    method: 'PUT',
    body: file,
    headers: {
      'Content-Type': file.type
    }
  });

  return fileId;
}
`;

/** Runs `action` in a page of another origin that has the vendor's functions. */
async function withExamples(action, argument, bearer = BEARER) {
  const page = await browser.newPage();
  try {
    await page.goto(elsewhere.url);
    const api = { url: `${server.url}/v1/files/url`, bearer, tenant: TENANT };
    await page.addScriptTag({ content: `const api = ${JSON.stringify(api)};${EXAMPLES}` });
    return await page.evaluate(action, argument);
  } finally {
    await page.close();
  }
}

/** Uploads a file by the vendor's function; gives its id. */
async function uploaded(name, text, type) {
  return await withExamples(async ([name, text, type]) => await uploadFile(new File([text], name, { type })), [name, text, type]);
}

/** A URL for a file, as the page gets it. */
async function urlOf(fields) {
  return (await withExamples(async (fields) => await getFileUrl(fields), fields)).url;
}

describe("the vendor's examples", () => {
  const files = {
    plain: ["contract-order-123.pdf", "application/pdf", "application/pdf"],
    named: ["Größe – تقرير 🎉.csv", "text/csv", "text/csv"],
    untyped: ["no-extension", "", "application/octet-stream"],
  };
  for (const [label, [name, type, expected]] of Object.entries(files)) {
    test(`upload a file and download it (${label})`, async () => {
      const seen = await withExamples(
        async ([name, type]) => {
          const bytes = crypto.getRandomValues(new Uint8Array(60_000));
          const fileId = await uploadFile(new File([bytes], name, { type }));
          const blob = await downloadFile(fileId);
          const back = new Uint8Array(await blob.arrayBuffer());
          const same = back.length === bytes.length && back.every((byte, at) => byte === bytes[at]);
          return { fileId, type: blob.type, same, told: await getFileUrl({ fileId }) };
        },
        [name, type],
      );
      assert.match(seen.fileId, /^file_[A-Za-z0-9_-]{22}$/);
      assert.deepEqual([seen.same, seen.type], [true, expected]);
      assert.deepEqual([seen.told.filename, seen.told.contentType, seen.told.fileSize], [name, expected, 60_000]);
      // Either reading of the page's `expiresAt` gives the same date.
      assert.equal(new Date(seen.told.expiresAt).getTime(), new Date(seen.told.expiresAtIso).getTime());
    });
  }

  test("upload an empty file", async () => {
    const size = await withExamples(async () => (await downloadFile(await uploadFile(new File([], "empty", { type: "text/plain" })))).size);
    assert.equal(size, 0);
  });

  test("are told why not", async () => {
    const failure = (action, bearer) => withExamples(action, undefined, bearer);
    assert.equal(await failure(() => downloadFile("file_abc123").catch((error) => error.message)), "404 NOT_FOUND");
    assert.equal(await failure(() => downloadFile("").catch((error) => error.message)), "400 VALIDATION_ERROR");
    assert.equal(await failure(() => downloadFile("x").catch((error) => error.message), "wrong"), "401 INVALID_TOKEN");
    const again = await failure(async () => {
      const { url } = await getFileUrl({ action: "upload", fileName: "once", contentType: "text/plain" });
      const put = () => fetch(url, { method: "PUT", body: "x", headers: { "Content-Type": "text/plain" } });
      const [first, second] = [await put(), await put()];
      return [first.status, second.status, (await second.json()).error.details[0].code];
    });
    assert.deepEqual(again, [200, 412, "exists"]);
  });
});

describe("in the address bar", () => {
  test("a URL to view shows the file", async () => {
    const fileId = await uploaded("note.txt", "Größe: 🎉", "text/plain");
    const page = await browser.newPage();
    try {
      await page.goto(await urlOf({ fileId, action: "view" }));
      assert.equal(await page.evaluate(() => document.body.textContent), "Größe: 🎉");
    } finally {
      await page.close();
    }
  });

  test("a URL to download saves it under its name", async () => {
    const fileId = await uploaded("Größe.txt", "content", "text/plain");
    const href = await urlOf({ fileId, action: "download" });
    const page = await browser.newPage();
    try {
      await page.goto(elsewhere.url);
      await page.evaluate((href) => document.body.append(Object.assign(document.createElement("a"), { href, textContent: "file" })), href);
      const [download] = await Promise.all([page.waitForEvent("download"), page.click("a")]);
      assert.equal(download.suggestedFilename(), "Größe.txt");
      assert.equal((await readFile(await download.path())).toString(), "content");
    } finally {
      await page.close();
    }
  });
});
