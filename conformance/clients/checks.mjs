// What drivers in JavaScript share: one line for each check, and the exit status.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

let failed = false;

// The version that is installed in the driver's folder, which is the working directory.
export function announce(name) {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  console.log(`version ${version}`);
}

// One check: `ok NAME`, or `not ok NAME: why`. What it gives is given on.
export async function check(name, body) {
  try {
    const found = await body();
    console.log(`ok ${name}`);
    return found;
  } catch (error) {
    failed = true;
    process.exitCode = 1;
    const told = error.response?.data ? ` ${JSON.stringify(error.response.data)}` : "";
    console.log(`not ok ${name}: ${`${error.message ?? JSON.stringify(error)}${told}`.replaceAll("\n", " ").slice(0, 800)}`);
    if (process.env.VERBOSE) console.error(error);
    return undefined;
  }
}

// Ends the program, whatever the client keeps open.
export function finish() {
  process.exit(failed ? 1 : 0);
}

// Bytes without a pattern, the same every time.
export function bytes(n, seed = 1) {
  const blocks = [];
  for (let block = 0; block * 64 < n; block += 1) blocks.push(createHash("sha512").update(`${seed} ${block}`).digest());
  return Buffer.concat(blocks).subarray(0, n);
}

export const hash = (algorithm, content) => createHash(algorithm).update(content).digest("hex");

// The call is answered with this status, and a body that says this.
export async function refused(call, status, text) {
  const error = await call.then(
    () => assert.fail(`it was not refused with ${status}`),
    (error) => error,
  );
  const answer = error.response ?? error.axiosError?.response;
  assert.equal(answer?.status, status, error.message ?? String(error));
  const data = answer.data instanceof ArrayBuffer || Buffer.isBuffer(answer.data) ? Buffer.from(answer.data).toString() : answer.data;
  const body = typeof data === "string" ? data : JSON.stringify(data);
  assert.ok(!text || body.includes(text), `${body} does not say ${text}`);
}
