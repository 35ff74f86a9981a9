// The server under test, and its API, for the tests in a browser.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const BINARY = process.env.VALETKEY_BINARY ?? join(import.meta.dirname, "../../target/release/valetkey");
export const TENANT = "tenant-1";
export const BEARER = "bearer-of-app-0123456789";
const BUCKET = "reports";

const BOOTSTRAP = `
[[tenant]]
name = "${TENANT}"

[[api_key]]
tenant = "${TENANT}"
id = "app"
secret = "secret-of-app-0123456789"
bearer = "${BEARER}"
scopes = ["*"]

[[bucket]]
tenant = "${TENANT}"
name = "${BUCKET}"
`;

/** Starts a server on an empty directory; `stop` ends it and removes the directory. */
export async function startServer() {
  const directory = mkdtempSync(join(process.env.VALETKEY_WORK ?? tmpdir(), "server-"));
  const bootstrap = join(directory, "bootstrap.toml");
  writeFileSync(bootstrap, BOOTSTRAP);
  const listen = ["--listen", "127.0.0.1:0"];
  const child = spawn(BINARY, ["serve", "--data", join(directory, "data"), ...listen, "--bootstrap", bootstrap], {
    stdio: ["ignore", "pipe", "inherit"],
    // Without the settings of another server.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VALETKEY_"))),
  });
  const ended = once(child, "exit");
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), "line"), ended]);
  const listening = /^listening on (http:\/\/127\.0\.0\.1:\d+)$/.exec(line);
  if (!listening) throw new Error(`the server did not start: ${line}`);
  return new Server(listening[1], async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(directory, { recursive: true });
  });
}

class Server {
  constructor(url, stop) {
    this.url = url;
    this.stop = stop;
  }

  /** Uploads an object and wants it done. */
  async put(key, body, contentType) {
    await this.#call("PUT", `buckets/${BUCKET}/objects/${encodeURIComponent(key)}`, body, contentType);
  }

  /** The stored bytes of an object, as a string. */
  async content(key) {
    const answer = await this.#call("GET", `buckets/${BUCKET}/objects/${encodeURIComponent(key)}`);
    return await answer.text();
  }

  /** Issues a URL; gives what the API says of it. */
  async issue(key, more = {}) {
    const body = JSON.stringify({ bucket: BUCKET, key, permission: "read", ...more });
    return await (await this.#call("POST", "signed-urls", body, "application/json")).json();
  }

  /** Takes a URL back. */
  async revoke(linkId) {
    await this.#call("POST", "revocations", JSON.stringify({ link_ids: [linkId] }), "application/json");
  }

  async #call(method, path, body, contentType) {
    const headers = { Authorization: `Bearer ${BEARER}`, ...(contentType && { "Content-Type": contentType }) };
    const answer = await fetch(`${this.url}/vk/v1/${path}`, { method, headers, body });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }
}
