// @aps_sdk/oss and @aps_sdk/authentication: uploads, downloads, batches, copies, signed resources, refusals.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { announce, bytes, check, finish, hash, refused } from "../checks.mjs";

// Its modules for `import` do not load in node; those for `require` are what it documents.
const require = createRequire(import.meta.url);
const { AuthenticationClient, Scopes } = require("@aps_sdk/authentication");
const { ApsConfiguration, SdkManagerBuilder, StaticAuthenticationProvider } = require("@aps_sdk/autodesk-sdkmanager");
const { Access, OssClient, PolicyKey, Region, With } = require("@aps_sdk/oss");

const { VALETKEY_URL, VALETKEY_CLIENT_ID, VALETKEY_CLIENT_SECRET, VALETKEY_OTHER_BEARER } = process.env;
const BUCKET = "aps-sdk-files";
const MIB = 1 << 20;

announce("@aps_sdk/oss");

function manager() {
  const configuration = new ApsConfiguration({});
  configuration.BaseAddress = new URL(VALETKEY_URL);
  return SdkManagerBuilder.create().addApsConfiguration(configuration).build();
}
// A client of its own where calls fail: after a few failures, it sends nothing for a minute.
const client = (token) =>
  new OssClient({ sdkManager: manager(), authenticationProvider: new StaticAuthenticationProvider(token) });

const scopes = [Scopes.BucketCreate, Scopes.BucketRead, Scopes.BucketDelete, Scopes.DataRead, Scopes.DataWrite, Scopes.DataCreate];
const token = await check("a token of two legs", async () => {
  const found = await new AuthenticationClient({ sdkManager: manager() }).getTwoLeggedToken(
    VALETKEY_CLIENT_ID,
    VALETKEY_CLIENT_SECRET,
    [...scopes, Scopes.CodeAll],
  );
  assert.equal(found.token_type, "Bearer");
  return found.access_token;
});
await check("a wrong secret", () =>
  refused(new AuthenticationClient({ sdkManager: manager() }).getTwoLeggedToken(VALETKEY_CLIENT_ID, "wrong", scopes), 401),
);
const oss = client(token);

await check("a bucket is made, in a region", async () => {
  const made = await oss.createBucket(Region.Emea, { bucketKey: BUCKET, policyKey: PolicyKey.Persistent });
  assert.deepEqual([made.bucketKey, made.policyKey], [BUCKET, "persistent"]);
});
await check("buckets of a region", async () => {
  const named = async (region) => (await oss.getBuckets({ region, limit: 100 })).items.map((bucket) => bucket.bucketKey);
  assert.ok((await named(Region.Emea)).includes(BUCKET));
  assert.ok(!(await named(Region.Us)).includes(BUCKET));
});
await check("a bucket's details", async () => {
  assert.equal((await oss.getBucketDetails(BUCKET)).bucketKey, BUCKET);
});

const small = bytes(5 * MIB, "small");
const large = bytes(11 * MIB, "large");
await check("a file in one part", async () => {
  const stored = await oss.uploadObject(BUCKET, "dir/small ü.bin", small, {
    xAdsMetaContentType: "application/x-small",
    xAdsUserDefinedMetadata: '{"colour":"red"}',
  });
  assert.deepEqual([stored.objectKey, stored.size, stored.sha1], ["dir/small ü.bin", small.length, hash("sha1", small)]);
});
await check("a file in three parts", async () => {
  const stored = await oss.uploadObject(BUCKET, "large.bin", large);
  assert.deepEqual([stored.size, stored.sha1], [large.length, hash("sha1", large)]);
});
await check("an empty file", async () => {
  assert.equal((await oss.uploadObject(BUCKET, "empty.bin", Buffer.alloc(0))).size, 0);
});
await check("a file is downloaded", async () => {
  // The client never ends the stream.
  const pieces = [];
  for await (const piece of await oss.downloadObject(BUCKET, "dir/small ü.bin")) {
    pieces.push(piece);
    if (pieces.reduce((sum, { length }) => sum + length, 0) >= small.length) break;
  }
  assert.equal(hash("sha1", Buffer.concat(pieces)), hash("sha1", small));
});
await check("a file is downloaded by its URL", async () => {
  const { url, size } = await oss.signedS3Download(BUCKET, "large.bin");
  assert.equal(size, large.length);
  const found = Buffer.from(await (await fetch(url)).arrayBuffer());
  assert.equal(hash("sha1", found), hash("sha1", large));
});
await check("objects, page by page", async () => {
  const first = await oss.getObjects(BUCKET, { limit: 2 });
  assert.deepEqual(first.items.map((object) => object.objectKey), ["dir/small ü.bin", "empty.bin"]);
  const startAt = new URL(first.next).searchParams.get("startAt");
  const rest = await oss.getObjects(BUCKET, { limit: 2, startAt });
  assert.deepEqual([rest.items.map((object) => object.objectKey), rest.next], [["large.bin"], undefined]);
});
await check("an object's details", async () => {
  const found = await oss.getObjectDetails(BUCKET, "large.bin", { _with: With.LastModifiedDate });
  assert.equal(found.sha1, hash("sha1", large));
  assert.ok(Math.abs(found.lastModifiedDate - Date.now()) < 600_000);
  const kept = await oss.getObjectDetails(BUCKET, "dir/small ü.bin", { _with: With.UserDefinedMetadata });
  assert.equal(kept.userDefinedMetadata, '{"colour":"red"}');
});
await check("an object is copied", async () => {
  const copy = await oss.copyTo(BUCKET, "large.bin", "copy/of large.bin");
  assert.deepEqual([copy.objectKey, copy.size, copy.sha1], ["copy/of large.bin", large.length, hash("sha1", large)]);
});
await check("several transfers in one call", async () => {
  const keys = ["one.txt", "two/ü.txt"];
  const begun = await oss.batchSignedS3Upload(BUCKET, { requests: keys.map((objectKey) => ({ objectKey, parts: 1, firstPart: 1 })) });
  for (const key of keys) await fetch(begun.results[key].urls[0], { method: "PUT", body: key });
  const requests = keys.map((objectKey) => ({ objectKey, uploadKey: begun.results[objectKey].uploadKey }));
  const done = await oss.batchCompleteUpload(BUCKET, { requests: [...requests, { objectKey: "none", uploadKey: "upl_none" }] });
  for (const key of keys) assert.equal(done.results[key].sha1, hash("sha1", key));
  assert.equal(done.results.none.status, "error");
  const found = await oss.batchSignedS3Download(BUCKET, { requests: [...keys, "none"].map((objectKey) => ({ objectKey })) });
  for (const key of keys) assert.equal(await (await fetch(found.results[key].url)).text(), key);
  assert.deepEqual(found.results.none, { status: "error", reason: "Object not found" });
});

const sign = (key, access, body = {}) => oss.createSignedResource(BUCKET, key, { access, createSignedResource: body });
const idOf = (signed) => new URL(signed.signedUrl).pathname.split("/").pop();
await check("a signed resource is read, once", async () => {
  const signed = await sign("one.txt", Access.Read, { minutesExpiration: 5, singleUse: true });
  assert.equal(signed.singleUse, true);
  assert.equal(await (await fetch(signed.signedUrl)).text(), "one.txt");
  assert.equal((await fetch(signed.signedUrl)).status, 404);
});
await check("a signed resource by its id", async () => {
  const found = await oss.getSignedResource(idOf(await sign("one.txt", Access.Read)), { range: "bytes=0-2" });
  assert.equal(String(found), "one");
});
await check("a signed resource is written", async () => {
  const signed = await sign("one.txt", Access.ReadWrite);
  const put = await fetch(signed.signedUrl, { method: "PUT", body: "another" });
  assert.equal((await put.json()).sha1, hash("sha1", "another"));
  assert.equal(await (await fetch(signed.signedUrl)).text(), "another");
});
await check("a signed resource is deleted", async () => {
  const signed = await sign("one.txt", Access.Read);
  await oss.deleteSignedResource(idOf(signed));
  assert.equal((await fetch(signed.signedUrl)).status, 404);
});
await check("refusals", async () => {
  await refused(client(token).createBucket(Region.Us, { bucketKey: BUCKET, policyKey: PolicyKey.Transient }), 409, "Bucket already exists");
  await refused(client(token).getBucketDetails("aps-sdk-nothing"), 404);
  await refused(client(token).getObjectDetails(BUCKET, "nothing"), 404, "Object not found");
  await refused(client("none").getBuckets(), 401, "Access token provided is invalid or expired.");
  await refused(client(VALETKEY_OTHER_BEARER).getObjects(BUCKET), 403);
});
await check("objects and the bucket are deleted", async () => {
  for (const { objectKey } of (await oss.getObjects(BUCKET, { limit: 100 })).items) await oss.deleteObject(BUCKET, objectKey);
  await oss.deleteBucket(BUCKET);
  await refused(client(token).getBucketDetails(BUCKET), 404);
});
finish();
