// What people see who open a URL with a number of uses: a page with a button, for the eye, the ear and the keyboard, without scripts.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { startChromium } from "./chromium.js";
import { startServer } from "./server.js";
import { silence } from "./sound.js";

let server;
let browser;

before(async () => {
  server = await startServer();
  browser = await startChromium();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const PHONE = { width: 360, height: 640 };
const DESKTOP = { width: 1280, height: 800 };

/** Runs `action` with a page of its own; wants that the browser finds nothing wrong with what it was given. */
async function withPage(action, { viewport = DESKTOP, scripts = true } = {}) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  try {
    await page.setViewportSize(viewport);
    if (!scripts) {
      const session = await page.context().newCDPSession(page);
      await session.send("Emulation.setScriptExecutionDisabled", { value: true });
    }
    await action(page);
  } finally {
    await page.context().clearCookies();
    await page.close();
  }
  assert.deepEqual(complaints, []);
}

/** An object and a URL for it. */
async function urlOf(key, more = {}, body = `content of ${key}`) {
  await server.put(key, body, more.content_type ?? "application/octet-stream");
  return (await server.issue(key, { uses: 1, ...more })).url;
}

/** Whether a program still gets the object. */
async function works(url) {
  const answer = await fetch(url, { headers: { "User-Agent": "a program" } });
  await answer.arrayBuffer();
  return answer.status === 200;
}

describe("the page of a limited URL", () => {
  for (const [label, options] of Object.entries({ phone: { viewport: PHONE }, desktop: {}, "no scripts": { scripts: false } })) {
    for (const form of ["token", "link"]) {
      test(`leads to the file by one press (${label}, ${form})`, async () => {
        const key = `pressed ${label} ${form}.txt`;
        const url = await urlOf(key, { form });
        await withPage(async (page) => {
          const answer = await page.goto(url);
          assert.equal(answer.status(), 200);
          assert.equal(await page.title(), key);
          const button = page.getByRole("button", { name: "Download" });
          const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
          assert.equal(download.suggestedFilename(), key);
          assert.equal((await readFile(await download.path())).toString(), `content of ${key}`);
        }, options);
        assert.equal(await works(url), false, "the use is spent");
      });
    }
  }

  test("uses nothing by being looked at, again and again", async () => {
    const url = await urlOf("looked at.txt");
    await withPage(async (page) => {
      for (let n = 0; n < 3; n++) {
        await page.goto(url);
        await page.reload();
      }
    });
    assert.equal(await works(url), true);
  });

  test("is driven by the keyboard alone, and shows where the focus is", async () => {
    const url = await urlOf("keyboard.txt");
    for (const viewport of [PHONE, DESKTOP]) {
      await withPage(async (page) => {
        await page.goto(url);
        const unfocused = await page.screenshot();
        await page.keyboard.press("Tab");
        assert.equal(await page.evaluate(() => document.activeElement.textContent), "Download");
        assert.ok(!(await page.screenshot()).equals(unfocused), "the focus is seen");
        if (viewport === PHONE) return;
        const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
        assert.equal((await readFile(await download.path())).toString(), "content of keyboard.txt");
      }, { viewport });
    }
  });

  test("is read out: language, title, one main region, one heading, a list of facts, one button with a name", async () => {
    const url = await urlOf("read out.pdf", { uses: 7 });
    await withPage(async (page) => {
      await page.goto(url);
      assert.equal(await page.locator("html").getAttribute("lang"), "en");
      assert.equal(await page.getByRole("main").count(), 1);
      assert.deepEqual(await page.getByRole("heading").allTextContents(), ["read out.pdf"]);
      assert.deepEqual(await page.getByRole("heading", { level: 1 }).count(), 1);
      assert.deepEqual(await page.getByRole("term").allTextContents(), ["Size", "Downloads left", "Works until"]);
      const facts = await page.getByRole("definition").allTextContents();
      assert.deepEqual(facts.slice(0, 2), ["23 bytes", "7 of 7"]);
      assert.deepEqual(await page.getByRole("button").allTextContents(), ["Download"]);
      // The picture says nothing that is not said.
      assert.equal(await page.locator("svg").getAttribute("aria-hidden"), "true");
    });
  });

  test("can be read in the light and in the dark, and pressed by a thumb", async () => {
    const url = await urlOf("contrast.txt");
    for (const colorScheme of ["light", "dark"]) {
      await withPage(async (page) => {
        await page.emulateMedia({ colorScheme });
        await page.goto(url);
        const seen = await page.evaluate(() => {
          const colour = (element, property) => getComputedStyle(element)[property].match(/[\d.]+/g).map(Number);
          const pair = (selector, behind) => {
            const element = document.querySelector(selector);
            return [colour(element, "color"), colour(document.querySelector(behind), "backgroundColor")];
          };
          return {
            pairs: { h1: pair("h1", "main"), dt: pair("dt", "main"), note: pair(".note", "main"), button: pair("button", "button") },
            isLight: colour(document.body, "backgroundColor")[0] > 127,
            height: document.querySelector("button").getBoundingClientRect().height,
          };
        });
        assert.equal(seen.isLight, colorScheme === "light");
        for (const [name, [ink, paper]] of Object.entries(seen.pairs)) {
          assert.ok(contrast(ink, paper) >= 4.5, `${name}: ${contrast(ink, paper)}`);
        }
        assert.ok(seen.height >= 44, `${seen.height} px`);
      }, { viewport: PHONE });
    }
  });

  test("fits on the smallest phone, whatever the name", async () => {
    const names = ["a".repeat(255), "👩‍👩‍👧".repeat(14), "<script>document.title = 'ran'</script>.html", "تقرير نهائي.pdf", "annex\u202efdp.exe"];
    for (const filename of names) {
      const url = await urlOf("named.txt", { filename });
      await withPage(async (page) => {
        await page.goto(url);
        const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(tooWide, 0);
        const shown = filename.replaceAll("\u202e", "").replaceAll("/", "_");
        assert.equal(await page.getByRole("heading").textContent(), shown);
        assert.equal(await page.title(), shown);
      }, { viewport: { width: 320, height: 480 } });
    }
  });

  test("that was left open for too long says so, and has a button that works", async () => {
    const url = await urlOf("stale.txt");
    await withPage(async (page) => {
      await page.goto(url);
      await page.evaluate(() => (document.querySelector("input[name=nonce]").value = "1.x"));
      page.removeAllListeners("console"); // The browser notes the status 403.
      await page.getByRole("button").click();
      assert.match(await page.getByRole("alert").textContent(), /Nothing has been used/);
      assert.equal(await works(`${url}`), true);
    });
    const other = await urlOf("stale too.txt");
    await withPage(async (page) => {
      await page.goto(other);
      await page.evaluate(() => (document.querySelector("input[name=nonce]").value = ""));
      page.removeAllListeners("console");
      await page.getByRole("button").click();
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button").click()]);
      assert.equal(download.suggestedFilename(), "stale too.txt");
    });
  });

  test("of what is to be shown shows it", async () => {
    const url = await urlOf("shown.txt", { disposition: "inline", content_type: "text/plain" }, "Größe: 🎉");
    await withPage(async (page) => {
      await page.goto(url);
      page.removeAllListeners("console"); // The browser notes that there is no icon for the text.
      await page.getByRole("button", { name: "Open" }).click();
      await page.waitForFunction(() => document.body.textContent === "Größe: 🎉");
    });
  });

  test("of a URL that is used up says so, in the same look", async () => {
    const url = await urlOf("used up.txt");
    assert.equal(await works(url), true);
    await withPage(async (page) => {
      page.removeAllListeners("console"); // The browser notes the status 410.
      const answer = await page.goto(url);
      assert.equal(answer.status(), 410);
      assert.match(await page.getByRole("heading", { level: 1 }).textContent(), /used as often as it may be/);
      assert.equal(await page.getByRole("button").count(), 0);
      assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector("main")).borderRadius), "16px");
    });
  });
});

describe("a player", () => {
  test("seeks in 200 MiB of a limited URL, and has used it once", async () => {
    const nBytes = 200 * 2 ** 20;
    await server.put("long.wav", silence(nBytes), "audio/wav");
    const { url } = await server.issue("long.wav", { uses: 2, disposition: "inline" });
    const ranges = [];
    await withPage(async (page) => {
      page.on("request", (request) => ranges.push(request.headers().range));
      // A page of the same site, so that the session's cookie goes along.
      const body = `<!doctype html><title>player</title><video controls preload="metadata" src="${url}"></video>`;
      await page.route("**/player", (route) => route.fulfill({ contentType: "text/html", body }));
      await page.goto(`${server.url}/player`);
      const duration = await page.evaluate(async () => {
        const video = document.querySelector("video");
        const until = (name) => new Promise((resolve, reject) => {
          video.addEventListener(name, resolve, { once: true });
          video.addEventListener("error", () => reject(new Error(`error ${video.error?.code}: ${video.error?.message}`)), { once: true });
        });
        if (video.readyState < 1) await until("loadedmetadata");
        for (const part of [0.9, 0.2, 0.6, 0.4]) {
          video.currentTime = video.duration * part;
          await until("seeked");
        }
        return video.duration;
      });
      assert.ok(duration > 60, `${duration} s`);
    });
    assert.ok(ranges.filter((range) => range && range !== "bytes=0-").length >= 2, `it seeks by ranges: ${ranges}`);
    assert.equal(await works(url), true, "of two uses one is left for others");
    assert.equal(await works(url), false);
  });
});

/** The contrast of two colours by WCAG 2. */
function contrast(one, other) {
  const luminance = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}
