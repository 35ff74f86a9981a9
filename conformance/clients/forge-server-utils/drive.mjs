// forge-server-utils: tokens of version 1, direct uploads and downloads, copies, signed URLs, refusals.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { announce, bytes, check, finish, hash, refused } from "../checks.mjs";

const { VALETKEY_URL, VALETKEY_CLIENT_ID, VALETKEY_CLIENT_SECRET } = process.env;
const BUCKET = "forge-server-utils-files";

announce("forge-server-utils");
const { AuthenticationClient, DataManagementClient, DataRetentionPolicy } = createRequire(import.meta.url)("forge-server-utils");
const auth = { client_id: VALETKEY_CLIENT_ID, client_secret: VALETKEY_CLIENT_SECRET };
const client = new DataManagementClient(auth, VALETKEY_URL);
const content = bytes(3 << 20, "content");

await check("a token of version 1", async () => {
  const token = await new AuthenticationClient(VALETKEY_CLIENT_ID, VALETKEY_CLIENT_SECRET, VALETKEY_URL).authenticate(["data:read"]);
  assert.ok(token.access_token && token.expires_in > 3000);
});
await check("a wrong secret", () =>
  refused(new AuthenticationClient(VALETKEY_CLIENT_ID, "wrong", VALETKEY_URL).authenticate(["data:read"]), 401, "AUTH-003"),
);
await check("a bucket is made, and listed", async () => {
  await client.createBucket(BUCKET, DataRetentionPolicy.Persistent);
  assert.ok((await client.listBuckets()).some((bucket) => bucket.bucketKey === BUCKET));
});
await check("an object is stored", async () => {
  const stored = await client.uploadObject(BUCKET, "dir/a ü.bin", "application/x-a", content);
  assert.deepEqual([stored.size, stored.sha1, stored.contentType], [content.length, hash("sha1", content), "application/x-a"]);
});
await check("an object is stored from a stream", async () => {
  const stored = await client.uploadObjectStream(BUCKET, "b.bin", "application/x-b", Readable.from([content, content]));
  assert.equal(stored.sha1, hash("sha1", Buffer.concat([content, content])));
});
await check("an object is stored in chunks", async () => {
  const all = Buffer.concat([content, content]);
  const send = (from, part) => client.uploadObjectResumable(BUCKET, "b.bin", part, from, all.length, "session", "application/x-b");
  await send(0, content);
  await send(content.length, content);
  assert.equal((await client.getObjectDetails(BUCKET, "b.bin")).sha1, hash("sha1", all));
});
await check("an object is read", async () => {
  assert.ok(content.equals(Buffer.from(await client.downloadObject(BUCKET, "dir/a ü.bin"))));
  const pieces = [];
  for await (const piece of await client.downloadObjectStream(BUCKET, "dir/a ü.bin")) pieces.push(piece);
  assert.ok(content.equals(Buffer.concat(pieces)));
});
await check("an object is copied, and listed", async () => {
  await client.copyObject(BUCKET, "b.bin", "c.bin");
  assert.deepEqual((await client.listObjects(BUCKET)).map((object) => object.objectKey), ["b.bin", "c.bin", "dir/a ü.bin"]);
  assert.equal((await client.getObjectDetails(BUCKET, "c.bin")).size, 2 * content.length);
});
await check("a signed URL", async () => {
  const { signedUrl } = await client.createSignedUrl(BUCKET, "dir/a ü.bin", "read");
  assert.ok(content.equals(Buffer.from(await (await fetch(signedUrl)).arrayBuffer())));
});
await check("objects and the bucket are deleted", async () => {
  for (const object of await client.listObjects(BUCKET)) await client.deleteObject(BUCKET, object.objectKey);
  await client.deleteBucket(BUCKET);
  await refused(client.getBucketDetails(BUCKET), 404, "Bucket not found");
  await refused(client.getObjectDetails(BUCKET, "b.bin"), 404, "Bucket not found");
});
finish();
