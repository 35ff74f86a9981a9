// The vendor's pages in Chromium: uploads from a form, views, downloads, lists, files, deletions, refusals. What the pages leave to their
// reader, the calls themselves, is written out; the page is of another origin than the server.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { bytes, check, finish, hash } from "../checks.mjs";

const { VALETKEY_URL, VALETKEY_BEARER, VALETKEY_TENANT, VALETKEY_OTHER_BEARER } = process.env;
// Whose the other bearer is: the bootstrap of the suites has it so.
const OTHER_TENANT = "tenant-2";

const CALLS = `
async function call(method, path, body) {
  const response = await fetch(api.url + path, {
    method,
    headers: { Authorization: 'Bearer ' + api.bearer, 'Tenant-ID': api.tenant, 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body)
  });
  if (!response.ok) throw new Error(response.status + ' ' + (await response.json()).error.code);
  return await response.json();
}
const getFileUrl = (fields) => call('POST', '/v1/files/url', fields);
const listFiles = (filters) => call('GET', '/v1/files?' + new URLSearchParams(filters));
const getFile = (fileId) => call('GET', '/v1/files/' + fileId);
const deleteFile = (fileId, body) => call('DELETE', '/v1/files/' + fileId, body);
`;

// As they stand on the page about URLs.
const EXAMPLES = `
async function downloadFile(fileId) {
  // Get signed download URL
  const { url } = await getFileUrl({
    action: 'download',
    fileId
  });

  // Download using the signed URL
  const response = await fetch(url);
  return await response.blob();
}

async function uploadFile(file) {
  // Get signed upload URL
  const { url, fileId } = await getFileUrl({
    action: 'upload',
    fileName: file.name,
    contentType: file.type
  });

  // Upload to signed URL
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

const work = mkdtempSync(join(tmpdir(), "flexportal-"));
const site = createServer((_, answer) => {
  answer.setHeader("Content-Type", "text/html; charset=utf-8").end('<!doctype html><title>shop</title><form><input type="file" multiple></form>');
});
await new Promise((ready) => site.listen(0, "127.0.0.1", ready));
const browser = await chromium.launchPersistentContext(join(work, "profile"), {
  executablePath: process.env.VALETKEY_CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  acceptDownloads: true,
  // The checks may run as root; nothing is asked of the network by itself.
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
browser.setDefaultTimeout(30_000);
console.log(`version ${browser.browser()?.version() ?? (await versionOf(browser))}`);

async function versionOf(context) {
  const page = await context.newPage();
  const agent = await page.evaluate(() => navigator.userAgent);
  await page.close();
  return /Chrome\/(\S+)/.exec(agent)[1];
}

/** Runs `action` in a page of the shop, with the functions of the vendor's pages. */
async function inShop(action, as = {}) {
  const page = await browser.newPage();
  try {
    await page.goto(`http://127.0.0.1:${site.address().port}/`);
    const api = { url: VALETKEY_URL, bearer: VALETKEY_BEARER, tenant: VALETKEY_TENANT, ...as };
    await page.addScriptTag({ content: `const api = ${JSON.stringify(api)};${CALLS}${EXAMPLES}` });
    return await action(page);
  } finally {
    await page.close();
  }
}

/** The same, of a function that runs there with an argument. */
const evaluated = (action, argument, as) => inShop((page) => page.evaluate(action, argument), as);

/** Chooses files in the form, and uploads them by the vendor's function; gives their ids. */
const uploaded = (files) =>
  inShop(async (page) => {
    await page.setInputFiles("input", files);
    return await page.evaluate(async () => {
      const ids = [];
      for (const file of document.querySelector("input").files) ids.push(await uploadFile(file));
      return ids;
    });
  });

/** Why a call of this function fails. */
const failure = (name, argument, as) =>
  evaluated(`(${name})(${JSON.stringify(argument)}).then(() => 'it did not fail', (error) => error.message)`, undefined, as);

const FILES = [
  { name: "contract-order-123.pdf", mimeType: "application/pdf", buffer: bytes(200_000, "contract") },
  { name: "Größe – تقرير 🎉.csv", mimeType: "text/csv", buffer: Buffer.from("Größe,🎉\n") },
  { name: "no-extension", mimeType: "", buffer: bytes(10, "none") },
  { name: "empty.txt", mimeType: "text/plain", buffer: Buffer.alloc(0) },
  { name: "large.bin", mimeType: "application/x-large", buffer: bytes((20 << 20) + 1, "large") },
];

await check("the list of nothing", async () => {
  const expected = { files: [], count: 0, limit: 50, offset: 0, filters: {}, hasMore: false, nextCursor: null };
  assert.deepEqual(await evaluated(() => listFiles()), expected);
});

const ids = (await check("files are uploaded from a form", async () => {
  const ids = await uploaded(FILES);
  for (const id of ids) assert.match(id, /^file_[A-Za-z0-9_-]{22}$/);
  assert.equal(new Set(ids).size, FILES.length);
  return ids;
})) ?? [];

await check("each is told as it is", async () => {
  for (const [at, { name, mimeType, buffer }] of FILES.entries()) {
    const file = await evaluated((id) => getFile(id), ids[at]);
    const type = mimeType || "application/octet-stream";
    assert.deepEqual([file.fileId, file.fileName, file.mimeType, file.size], [ids[at], name, type, buffer.length]);
    assert.deepEqual([file.filename, file.contentType, file.fileSize], [name, type, buffer.length]);
    assert.deepEqual([file.tenantId, file.category, file.orderId, file.customerId], [VALETKEY_TENANT, "uploaded", "", ""]);
    assert.ok(Object.values(file).every((value) => value !== null));
    assert.ok(Math.abs(new Date(file.createdAt) - Date.now()) < 600_000 && new Date(file.updatedAt) >= new Date(file.createdAt));
  }
});

await check("each comes back", async () => {
  for (const [at, { mimeType, buffer }] of FILES.entries()) {
    const found = await evaluated(async (id) => {
      const blob = await downloadFile(id);
      const digest = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
      return { type: blob.type, digest: [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
    }, ids[at]);
    assert.deepEqual(found, { type: mimeType || "application/octet-stream", digest: hash("sha256", buffer) });
  }
});

await check("a file is viewed in the browser", async () => {
  const { url, expiresAt, expiresAtIso } = await evaluated((fileId) => getFileUrl({ fileId }), ids[1]);
  assert.equal(new Date(expiresAt).getTime(), new Date(expiresAtIso).getTime());
  const page = await browser.newPage();
  const answer = await page.request.get(url);
  assert.match(answer.headers()["content-disposition"], /^inline/);
  await page.close();
  const [note] = await uploaded([{ name: "note.txt", mimeType: "text/plain", buffer: Buffer.from("Größe: 🎉") }]);
  const shown = await browser.newPage();
  await shown.goto((await evaluated((fileId) => getFileUrl({ fileId, action: "view", expiresInMinutes: 60 }), note)).url);
  assert.equal(await shown.evaluate(() => document.body.textContent), "Größe: 🎉");
  await shown.close();
  await evaluated((id) => deleteFile(id), note);
});

await check("a file is saved under its name", async () => {
  const { url } = await evaluated((fileId) => getFileUrl({ fileId, action: "download" }), ids[1]);
  const saved = await inShop(async (page) => {
    await page.evaluate((href) => document.body.append(Object.assign(document.createElement("a"), { href, textContent: "file" })), url);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("a")]);
    return [download.suggestedFilename(), readFileSync(await download.path(), "utf8")];
  });
  assert.deepEqual(saved, [FILES[1].name, "Größe,🎉\n"]);
});

await check("an upload is tried again, and done once", async () => {
  const told = await evaluated(async () => {
    const { url, fileId } = await getFileUrl({ action: "upload", fileName: "once.txt", contentType: "text/plain" });
    const missing = await getFile(fileId).catch((error) => error.message);
    const put = () => fetch(url, { method: "PUT", body: "x", headers: { "Content-Type": "text/plain" } });
    const [first, second] = [await put(), await put()];
    const told = [missing, first.status, second.status, (await second.json()).error.code];
    await deleteFile(fileId);
    return told;
  });
  assert.deepEqual(told, ["404 NOT_FOUND", 200, 412, "VALIDATION_ERROR"]);
});

await check("an upload goes by XMLHttpRequest, too", async () => {
  const told = await evaluated(async () => {
    const { url, fileId } = await getFileUrl({ action: "upload", fileName: "old.txt", contentType: "text/plain" });
    const sent = await new Promise((done, fail) => {
      const request = Object.assign(new XMLHttpRequest(), { onerror: fail });
      let n_steps = 0;
      request.upload.onprogress = () => (n_steps += 1);
      request.onload = () => done({ status: request.status, etag: request.getResponseHeader("ETag"), n_steps });
      request.open("PUT", url);
      request.setRequestHeader("Content-Type", "text/plain");
      request.send("content");
    });
    await deleteFile(fileId);
    return sent;
  });
  assert.equal(told.status, 200);
  assert.ok(told.n_steps > 0 && /^".+"$/.test(told.etag), JSON.stringify(told));
});

const newest = ids.toReversed?.() ?? [...ids].reverse();
await check("the list, page by page, by cursor", async () => {
  for (const limit of [1, 2, 5, 100]) {
    const found = await evaluated(async (limit) => {
      const [all, pages] = [[], []];
      let cursor = null;
      do {
        const page = await listFiles({ limit, ...(cursor && { startAfter: cursor }) });
        all.push(...page.files.map((file) => file.fileId));
        pages.push(page.count === page.files.length && page.limit === limit && page.hasMore === (page.nextCursor !== null));
        cursor = page.nextCursor;
      } while (cursor);
      return { all, sound: pages.every(Boolean) };
    }, limit);
    assert.deepEqual(found, { all: newest, sound: true });
  }
});

await check("the list by offset, and the oldest first", async () => {
  const page = (query) => evaluated(async (query) => (await listFiles(query)).files.map((file) => file.fileId), query);
  assert.deepEqual(await page({ limit: 2, offset: 2 }), newest.slice(2, 4));
  assert.deepEqual(await page({ offset: 5 }), []);
  assert.deepEqual(await page({ sortBy: "createdAt", sortDir: "asc" }), ids);
});

await check("the list by what is not known here", async () => {
  const found = await evaluated(async () => {
    const pages = [await listFiles({ orderId: "ord_abc123" }), await listFiles({ customerId: "cust_abc123", type: "invoice" })];
    return pages.map(({ count, filters }) => ({ count, filters }));
  });
  const filters = [{ orderId: "ord_abc123" }, { customerId: "cust_abc123", type: "invoice" }];
  assert.deepEqual(found, filters.map((filters) => ({ count: 0, filters })));
});

await check("files are deleted, with a body and without", async () => {
  const [first, second, third] = await uploaded(["a", "b", "c"].map((name) => ({ name, mimeType: "text/plain", buffer: Buffer.from(name) })));
  const told = await evaluated(
    async ([first, second, third]) => {
      const { url } = await getFileUrl({ fileId: first });
      const done = [await deleteFile(first), await deleteFile(second, { deleteFromStorage: true }), await deleteFile(third, { deleteFromStorage: false })];
      const gone = [];
      for (const id of [first, second, third]) gone.push(await getFile(id).catch((error) => error.message));
      return { done: done.map(({ success, fileId, message }) => [success, fileId, typeof message]), gone, url: (await fetch(url)).status };
    },
    [first, second, third],
  );
  const done = [first, second, third].map((id) => [true, id, "string"]);
  assert.deepEqual(told, { done, gone: Array(3).fill("404 NOT_FOUND"), url: 404 });
});

await check("old files are cleaned up by type", async () => {
  const old = await uploaded(["old-1.txt", "old-2.txt"].map((name) => ({ name, mimeType: "text/plain", buffer: Buffer.from(name) })));
  const kept = await evaluated(async (old) => {
    const { files } = await listFiles({ type: "document" });
    for (const file of files.filter((file) => file.fileType === "document" && old.includes(file.fileId))) await deleteFile(file.fileId);
    return (await listFiles()).files.map((file) => file.fileId);
  }, old);
  assert.deepEqual(kept, newest);
});

await check("refusals can be read by the page", async () => {
  assert.equal(await failure("getFile", "file_abc123"), "404 NOT_FOUND");
  assert.equal(await failure("deleteFile", "file_abc123"), "404 NOT_FOUND");
  assert.equal(await failure("downloadFile", ""), "400 VALIDATION_ERROR");
  assert.equal(await failure("listFiles", { limit: 101 }), "400 VALIDATION_ERROR");
  assert.equal(await failure("listFiles", { startAfter: "ord_abc123xyz" }), "400 VALIDATION_ERROR");
  assert.equal(await failure("listFiles", {}, { bearer: "wrong" }), "401 INVALID_TOKEN");
  assert.equal(await failure("getFile", ids[0], { tenant: "another" }), "403 NO_TENANT_ACCESS");
  assert.equal(await failure("(path) => call('GET', path)", "/v1/files/a/b"), "404 NOT_FOUND");
});

await check("another tenant sees none of it", async () => {
  const other = { bearer: VALETKEY_OTHER_BEARER, tenant: OTHER_TENANT };
  assert.equal((await evaluated(() => listFiles(), undefined, other)).count, 0);
  for (const action of ["getFile", "deleteFile", "downloadFile"]) assert.equal(await failure(action, ids[0], other), "404 NOT_FOUND");
  assert.equal((await evaluated((id) => getFile(id), ids[0])).fileId, ids[0]);
});

await browser.close();
site.close();
rmSync(work, { recursive: true, force: true, maxRetries: 5 });
finish();
