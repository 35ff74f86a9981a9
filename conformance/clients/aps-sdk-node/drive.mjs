// aps-sdk-node: buckets, uploads in one part and in many, downloads, copies, signed URLs, refusals.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { announce, bytes, check, finish, hash, refused } from "../checks.mjs";

const { VALETKEY_URL, VALETKEY_CLIENT_ID, VALETKEY_CLIENT_SECRET, VALETKEY_OTHER_BEARER } = process.env;
const BUCKET = "aps-sdk-node-files";
const MIB = 1 << 20;

announce("aps-sdk-node");
const { DataManagementClient, DataRetentionPolicy } = createRequire(import.meta.url)("aps-sdk-node");
const auth = { client_id: VALETKEY_CLIENT_ID, client_secret: VALETKEY_CLIENT_SECRET };
const client = new DataManagementClient(auth, VALETKEY_URL, "EMEA");
const small = bytes(1000, "small");
const large = bytes(17 * MIB + 1, "large");

await check("a bucket is made", async () => {
  const made = await client.createBucket(BUCKET, DataRetentionPolicy.Temporary);
  assert.deepEqual([made.bucketKey, made.policyKey], [BUCKET, "temporary"]);
});
await check("a bucket is made once", () =>
  refused(client.createBucket(BUCKET, DataRetentionPolicy.Temporary), 409, "Bucket already exists"),
);
await check("buckets, page by page", async () => {
  const pages = [];
  for await (const page of client.iterateBuckets(1)) pages.push(page.map((bucket) => bucket.bucketKey));
  assert.ok(pages.every((page) => page.length === 1) && pages.flat().includes(BUCKET), JSON.stringify(pages));
  assert.equal((await client.getBucketDetails(BUCKET)).permissions.length, 1);
});
await check("a file in one part", async () => {
  const stored = await client.uploadObject(BUCKET, "dir/small ü.bin", small, { contentType: "application/x-small" });
  assert.deepEqual([stored.size, stored.sha1], [small.length, hash("sha1", small)]);
});
await check("a file in many parts, several at once", async () => {
  const stored = await client.uploadObject(BUCKET, "large.bin", large);
  assert.deepEqual([stored.size, stored.sha1], [large.length, hash("sha1", large)]);
});
await check("a file of unknown length", async () => {
  const pieces = (async function* () {
    for (let at = 0; at < large.length; at += MIB) yield large.subarray(at, at + MIB);
  })();
  assert.equal((await client.uploadObjectStream(BUCKET, "streamed.bin", pieces)).sha1, hash("sha1", large));
});
await check("a file is downloaded", async () => {
  assert.equal(hash("sha1", Buffer.from(await client.downloadObject(BUCKET, "large.bin"))), hash("sha1", large));
  const pieces = [];
  for await (const piece of await client.downloadObjectStream(BUCKET, "dir/small ü.bin")) pieces.push(piece);
  assert.ok(small.equals(Buffer.concat(pieces)));
});
await check("objects, page by page", async () => {
  const keys = [];
  for await (const page of client.iterateObjects(BUCKET, 2)) keys.push(...page.map((object) => object.objectKey));
  assert.deepEqual(keys, ["dir/small ü.bin", "large.bin", "streamed.bin"]);
  assert.equal((await client.listObjects(BUCKET, "dir/")).length, 1);
});
await check("a file in chunks, in any order", async () => {
  const half = 9 * MIB;
  const send = (from, to) => client.uploadObjectResumable(BUCKET, "zzz.bin", large.subarray(from, to), from, large.length, "session");
  await send(half, large.length);
  assert.deepEqual(await client.getResumableUploadStatus(BUCKET, "zzz.bin", "session"), [{ start: half, end: large.length - 1 }]);
  await send(0, half);
  assert.equal((await client.getObjectDetails(BUCKET, "zzz.bin")).sha1, hash("sha1", large));
});
await check("an object's details", async () => {
  const found = await client.getObjectDetails(BUCKET, "large.bin");
  assert.deepEqual([found.objectId, found.size], [`urn:adsk.objects:os.object:${BUCKET}/large.bin`, large.length]);
});
await check("an object is copied", async () => {
  assert.equal((await client.copyObject(BUCKET, "large.bin", "copy.bin")).sha1, hash("sha1", large));
});
await check("a signed URL, as it is asked for if nothing is said: to read and to write", async () => {
  const { signedUrl, singleUse } = await client.createSignedUrl(BUCKET, "copy.bin");
  assert.equal(singleUse, false);
  assert.equal((await fetch(signedUrl, { method: "PUT", body: "new" })).status, 200);
  assert.equal(await (await fetch(signedUrl)).text(), "new");
});
await check("a signed URL to read", async () => {
  const { signedUrl } = await client.createSignedUrl(BUCKET, "copy.bin", "read", false);
  assert.equal(await (await fetch(signedUrl, { headers: { Range: "bytes=1-" } })).text(), "ew");
  assert.equal((await fetch(signedUrl, { method: "PUT", body: "x" })).status, 403);
});
await check("refusals", async () => {
  await refused(client.getObjectDetails(BUCKET, "nothing"), 404, "Object not found");
  await refused(client.getBucketDetails("aps-sdk-nothing"), 404, "Bucket not found");
  const other = new DataManagementClient({ token: VALETKEY_OTHER_BEARER }, VALETKEY_URL);
  await refused(other.getObjectDetails(BUCKET, "copy.bin"), 403);
  const wrong = new DataManagementClient({ ...auth, client_secret: "wrong" }, VALETKEY_URL);
  await refused(wrong.listBuckets(), 401, "AUTH-003");
});
await check("objects and the bucket are deleted", async () => {
  for (const object of await client.listObjects(BUCKET)) await client.deleteObject(BUCKET, object.objectKey);
  await client.deleteBucket(BUCKET);
  await refused(client.getBucketDetails(BUCKET), 404);
});
finish();
