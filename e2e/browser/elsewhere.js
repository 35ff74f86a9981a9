// A page of another origin: a second port.

import { createServer } from "node:http";

/** Serves an empty page at `url`; `close` ends it. */
export async function anotherOrigin() {
  const site = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<!doctype html><title>elsewhere</title>"));
  await new Promise((ready) => site.listen(0, "127.0.0.1", ready));
  site.url = `http://127.0.0.1:${site.address().port}/`;
  return site;
}
