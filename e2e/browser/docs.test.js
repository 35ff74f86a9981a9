// The description of the API as a page: without script, for phones and desktops, for the keyboard.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startChromium } from "./chromium.js";
import { startServer } from "./server.js";

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

/** Runs `action` with a page at this fragment of the description; wants that the browser finds nothing wrong with it. */
async function withDocs(fragment, action) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  try {
    const answer = await page.goto(`${server.url}/docs${fragment}`);
    assert.equal(answer.status(), 200);
    await action(page);
  } finally {
    await page.close();
  }
  assert.deepEqual(complaints, []);
}

describe("the description of the API", () => {
  test("fits on a phone, with everything unfolded", async () => {
    await withDocs("", async (page) => {
      await page.setViewportSize({ width: 360, height: 640 });
      await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(tooWide, 0);
    });
  });

  test("has its style, and nothing from elsewhere", async () => {
    await withDocs("", async (page) => {
      assert.equal(await page.evaluate(() => document.styleSheets.length), 1);
      assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector("main")).maxWidth), "960px");
      const loaded = await page.evaluate(() => performance.getEntriesByType("resource").map((entry) => entry.name));
      assert.deepEqual(loaded.filter((name) => !name.startsWith(server.url)), []);
      const background = async (colorScheme) => {
        await page.emulateMedia({ colorScheme });
        return await page.screenshot({ clip: { x: 0, y: 0, width: 1, height: 1 } });
      };
      assert.notDeepEqual(await background("light"), await background("dark"));
    });
  });

  test("is reached by the keyboard, and folded", async () => {
    await withDocs("", async (page) => {
      await page.focus("summary");
      const isOpen = async () => await page.evaluate(() => document.querySelector("details").open);
      for (const expected of [true, false]) {
        await page.keyboard.press("Enter");
        assert.equal(await isOpen(), expected);
      }
    });
  });

  test("unfolds what a link leads to", async () => {
    await withDocs("#issueSignedUrls", async (page) => {
      const target = page.locator("#issueSignedUrls");
      assert.equal(await target.evaluate((element) => element.closest("details").open), true);
      assert.equal(await target.locator("h4").first().isVisible(), true);
    });
  });
});
