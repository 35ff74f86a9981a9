// What people see: names of downloads, content that is shown, pages of other origins, refusals.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { startChromium } from "./chromium.js";
import { anotherOrigin } from "./elsewhere.js";
import { startServer } from "./server.js";

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

/** Runs `action` with a page of its own. */
async function withPage(action) {
  const page = await browser.newPage();
  try {
    return await action(page);
  } finally {
    await page.close();
  }
}

/** What a click on a link to this URL downloads: the suggested name, and the bytes. */
async function downloaded(url) {
  return await withPage(async (page) => {
    await page.goto(elsewhere.url);
    await page.evaluate((href) => document.body.append(Object.assign(document.createElement("a"), { href, textContent: "file" })), url);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("a")]);
    return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
  });
}

describe("a download", () => {
  const names = {
    plain: "q3.pdf",
    spaces: "the report of  the year.txt",
    plus: "a+b=c.txt",
    percent: "100%25 100%.txt",
    apostrophe: "it's.txt",
    arabic: "تقرير نهائي.pdf",
    emoji: "👩‍👩‍👧 family 🎉.jpg",
    umlauts: "Größe – Übermaß.csv",
    semicolon: "a;b,c.txt",
    long: `${"ä".repeat(110)}.txt`,
  };
  for (const [label, name] of Object.entries(names)) {
    for (const form of ["token", "link"]) {
      test(`has its name (${label}, ${form})`, async () => {
        const body = `content of ${name}`;
        await server.put(`${form}/${name}`, body, "application/octet-stream");
        const { url } = await server.issue(`${form}/${name}`, { form });
        const download = await downloaded(url);
        // Chromium lets no invisible character into a name, also not the one that joins emoji.
        assert.equal(download.name, name.replaceAll("\u200d", "_"));
        assert.equal(download.bytes.toString(), body);
      });
    }
  }

  test("with quotes in its name has what a file system can hold of it", async () => {
    await server.put("quotes", "x", "text/plain");
    const { url } = await server.issue("quotes", { filename: `"double" and 'single'.txt`, disposition: "attachment" });
    const { name } = await downloaded(url);
    assert.match(name, /^["_]double["_] and 'single'\.txt$/);
  });

  test("cannot be given a name that hides its end", async () => {
    await server.put("annex", "x", "text/plain");
    const { url } = await server.issue("annex", { filename: "annex\u202efdp.exe" });
    assert.equal((await downloaded(url)).name, "annexfdp.exe");
  });

  test("of a page is saved and not shown", async () => {
    await server.put("page.html", "<title>shown</title><script>document.title = 'ran'</script>", "text/html");
    assert.equal((await downloaded((await server.issue("page.html")).url)).name, "page.html");
  });
});

describe("a view", () => {
  const script = "document.documentElement.setAttribute('data-ran', 'yes')";
  const contents = {
    svg: [
      "image/svg+xml",
      `<svg xmlns="http://www.w3.org/2000/svg" onload="${script}"><script>${script}</script><rect width="9" height="9"/></svg>`,
    ],
    html: ["text/html", `<!doctype html><html><body onload="${script}"><p>seen</p><script>${script}</script>`],
    xhtml: [
      "application/xhtml+xml",
      `<html xmlns="http://www.w3.org/1999/xhtml"><head><title>t</title></head><body><script>${script}</script></body></html>`,
    ],
  };
  for (const [label, [type, body]] of Object.entries(contents)) {
    test(`does not run scripts (${label})`, async () => {
      await server.put(`active.${label}`, body, type);
      const { url } = await server.issue(`active.${label}`, { disposition: "inline" });
      await withPage(async (page) => {
        const answer = await page.goto(url, { waitUntil: "load" });
        assert.equal(answer.status(), 200);
        assert.match(answer.headers()["content-type"], new RegExp(`^${type.replace("+", "\\+")}`));
        // The document is asked from outside: script of its own is what must not run.
        const session = await page.context().newCDPSession(page);
        const { root } = await session.send("DOM.getDocument", { depth: -1 });
        const element = root.children.find((child) => child.nodeType === 1);
        assert.ok(element, "it is shown");
        assert.ok(!element.attributes.includes("data-ran"), "its script did not run");
      });
    });
  }

  test("would run scripts without the server's policy: the check can fail", async () => {
    const [type, body] = contents.svg;
    await withPage(async (page) => {
      await page.route("**/unprotected", (route) => route.fulfill({ contentType: type, body }));
      await page.goto(`${elsewhere.url}unprotected`, { waitUntil: "load" });
      assert.equal(await page.evaluate(() => document.documentElement.getAttribute("data-ran")), "yes");
    });
  });

  test("of a picture is shown", async () => {
    const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==", "base64");
    await server.put("dot.png", png, "image/png");
    const { url } = await server.issue("dot.png", { disposition: "inline", form: "link" });
    await withPage(async (page) => {
      await page.goto(url);
      assert.equal(await page.evaluate(() => document.images[0]?.naturalWidth), 1);
    });
  });

  test("of text is read as UTF-8", async () => {
    await server.put("note.txt", "Größe: 🎉", "text/plain");
    const { url } = await server.issue("note.txt", { disposition: "inline" });
    await withPage(async (page) => {
      await page.goto(url);
      assert.equal(await page.evaluate(() => document.body.textContent), "Größe: 🎉");
    });
  });
});

describe("a page of another origin", () => {
  test("can read an object, a part of it, and what the headers say", async () => {
    await server.put("shared.txt", "0123456789", "text/plain");
    const { url } = await server.issue("shared.txt");
    const seen = await withPage(async (page) => {
      await page.goto(elsewhere.url);
      return await page.evaluate(async (target) => {
        const whole = await fetch(target);
        const part = await fetch(target, { headers: { Range: "bytes=2-4", "If-Match": whole.headers.get("ETag") } });
        const names = ["ETag", "Content-Length", "Content-Disposition", "Accept-Ranges"];
        return {
          whole: await whole.text(),
          headers: names.map((name) => whole.headers.get(name)),
          part: [part.status, await part.text(), part.headers.get("Content-Range")],
        };
      }, url);
    });
    assert.equal(seen.whole, "0123456789");
    assert.match(seen.headers[0], /^"[^"]+"$/);
    assert.equal(seen.headers[1], "10");
    assert.match(seen.headers[2], /^attachment; filename="shared\.txt"$/);
    assert.equal(seen.headers[3], "bytes");
    assert.deepEqual(seen.part, [206, "234", "bytes 2-4/10"]);
  });

  test("can go on with a limited download by the session it was given", async () => {
    await server.put("once.txt", "0123456789", "text/plain");
    const { url } = await server.issue("once.txt", { uses: 1 });
    const seen = await withPage(async (page) => {
      await page.goto(elsewhere.url);
      return await page.evaluate(async (target) => {
        const first = await fetch(target, { headers: { Range: "bytes=0-4" } });
        const session = first.headers.get("Valetkey-Session");
        const rest = await fetch(target, { headers: { Range: "bytes=5-", "Valetkey-Session": session } });
        const again = await fetch(target);
        return [await first.text(), await rest.text(), again.status, (await again.json()).code];
      }, url);
    });
    assert.deepEqual(seen, ["01234", "56789", 410, "used_up"]);
  });

  test("can upload, and is told why not", async () => {
    const { url } = await server.issue("from-page.txt", { permission: "write", upload: { max_bytes: 5, types: ["text/plain"] } });
    const seen = await withPage(async (page) => {
      await page.goto(elsewhere.url);
      return await page.evaluate(async (target) => {
        const put = (body) => fetch(target, { method: "PUT", headers: { "Content-Type": "text/plain" }, body });
        const large = await put("too large");
        const refusal = [large.status, (await large.json()).code];
        const good = await put("fits!");
        return [...refusal, good.status, good.headers.get("ETag") !== null];
      }, url);
    });
    assert.deepEqual(seen, [413, "too_large", 201, true]);
    assert.equal(await server.content("from-page.txt"), "fits!");
  });

  test("cannot call the API", async () => {
    const seen = await withPage(async (page) => {
      await page.goto(elsewhere.url);
      return await page.evaluate(async (api) => {
        try {
          return (await fetch(`${api}/vk/v1/buckets`, { headers: { Authorization: "Bearer bearer-of-app-0123456789" } })).status;
        } catch (error) {
          return error.name;
        }
      }, server.url);
    });
    assert.equal(seen, "TypeError");
  });
});

describe("a refused navigation", () => {
  test("shows a page that says why", async () => {
    await server.put("refused.txt", "secret", "text/plain");
    const [revoked, deleted] = [await server.issue("refused.txt"), await server.issue("refused.txt", { form: "link" })];
    await server.revoke(revoked.link_id);
    await server.revoke(deleted.link_id);
    const cases = [
      [revoked.url, 410],
      [deleted.url, 410],
      [`${revoked.url.slice(0, -4)}AAAA`, 403],
      [`${server.url}/l/AAAAAAAAAAAAAAAAAAAAAA`, 404],
    ];
    for (const [url, status] of cases) {
      await withPage(async (page) => {
        const answer = await page.goto(url);
        assert.equal(answer.status(), status);
        assert.match(answer.headers()["content-type"], /^text\/html/);
        const text = await page.evaluate(() => document.body.innerText);
        assert.ok(text.length > 20 && !text.includes("secret"), text);
        assert.notEqual(await page.title(), "");
        assert.match(answer.headers()["referrer-policy"], /^(no-referrer|same-origin)$/);
        assert.match(answer.headers()["content-security-policy"], /^default-src 'none'/);
        // Its own style is let through by its own policy.
        assert.equal(await page.evaluate(() => getComputedStyle(document.body).marginTop), "0px");
      });
    }
  });
});
