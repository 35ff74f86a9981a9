// forge-apis: buckets, uploads in one part and in many, downloads, signed resources, refusals.

import assert from "node:assert/strict";
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axios from "axios";
import forge from "forge-apis";
import { announce, bytes, check, finish, hash, refused } from "../checks.mjs";

const { VALETKEY_URL, VALETKEY_CLIENT_ID, VALETKEY_CLIENT_SECRET, VALETKEY_OTHER_BEARER } = process.env;
const SCOPES = ["bucket:create", "bucket:read", "bucket:delete", "data:read", "data:write", "data:create"];
const BUCKET = "forge-apis-files";
const MIB = 1 << 20;

announce("forge-apis");
forge.ApiClient.instance.switchServerPath(VALETKEY_URL);
const auth = new forge.AuthClientTwoLeggedV2(VALETKEY_CLIENT_ID, VALETKEY_CLIENT_SECRET, SCOPES, true);
const [buckets, objects] = [new forge.BucketsApi(), new forge.ObjectsApi()];
const work = mkdtempSync(join(tmpdir(), "forge-apis-"));

let token;
await check("a token of two legs", async () => {
  token = await auth.authenticate();
  assert.equal(token.token_type, "Bearer");
  assert.ok(token.expires_in > 3000);
});
await check("a token by the client's older name", async () => {
  const older = await new forge.AuthClientTwoLegged(VALETKEY_CLIENT_ID, VALETKEY_CLIENT_SECRET, SCOPES, false).authenticate();
  assert.equal((await buckets.getBuckets({}, auth, older)).statusCode, 200);
});
await check("a wrong secret", () =>
  refused(new forge.AuthClientTwoLeggedV2(VALETKEY_CLIENT_ID, "wrong", SCOPES, false).authenticate(), 401, "AUTH-003"),
);

const create = (bucketKey, policyKey, as = token) => buckets.createBucket({ bucketKey, policyKey }, {}, auth, as);
await check("a bucket is made", async () => {
  const { body } = await create(BUCKET, "persistent");
  assert.equal(body.bucketKey, BUCKET);
  assert.equal(body.policyKey, "persistent");
  assert.deepEqual(body.permissions, [{ authId: body.bucketOwner, access: "full" }]);
  assert.ok(Math.abs(body.createdDate - Date.now()) < 600_000);
});
await check("a bucket is made once", () => refused(create(BUCKET, "persistent"), 409, '"Bucket already exists"'));
await check("a bucket's name is taken for others, too", () =>
  refused(create(BUCKET, "transient", { access_token: VALETKEY_OTHER_BEARER }), 409, '"Bucket already exists"'),
);
await check("a name that is none", () => refused(create("A", "transient"), 400, "Valid field 'bucketKey' must be of the form"));
await check("buckets, page by page", async () => {
  await create("forge-apis-2", "transient");
  await create("forge-apis-3", "temporary");
  const found = [];
  let startAt;
  do {
    const { body } = await buckets.getBuckets({ limit: 2, startAt }, auth, token);
    assert.ok(body.items.length <= 2);
    found.push(...body.items.map((bucket) => bucket.bucketKey));
    startAt = body.next && new URL(body.next).searchParams.get("startAt");
  } while (startAt);
  assert.deepEqual(found.filter((name) => name.startsWith("forge-apis")), ["forge-apis-2", "forge-apis-3", BUCKET]);
  assert.equal(new Set(found).size, found.length);
});
await check("a bucket's details", async () => {
  const { body } = await buckets.getBucketDetails(BUCKET, auth, token);
  assert.deepEqual([body.bucketKey, body.policyKey], [BUCKET, "persistent"]);
});
await check("a bucket that is not there", () => refused(buckets.getBucketDetails("forge-apis-9", auth, token), 404));

const small = bytes(1000, "small");
const large = bytes(12 * MIB + 1, "large");
await check("a file in one part", async () => {
  const file = { objectKey: "small.bin", data: small, xAdsMetaContentType: "application/x-small" };
  const [done] = await objects.uploadResources(BUCKET, [file], {}, auth, token);
  assert.ok(!done.error, JSON.stringify(done.completed));
  assert.equal(done.completed.size, small.length);
  assert.equal(done.completed.sha1, hash("sha1", small));
  assert.equal(done.completed.contentType, "application/x-small");
  assert.equal(done.completed.objectId, `urn:adsk.objects:os.object:${BUCKET}/small.bin`);
});
await check("a file in three parts", async () => {
  const progress = [];
  const opts = { chunkSize: 5, minutesExpiration: 10, onUploadProgress: (event) => progress.push(event.progress) };
  const [done] = await objects.uploadResources(BUCKET, [{ objectKey: "dir/large ü.bin", data: large }], opts, auth, token);
  assert.ok(!done.error, JSON.stringify(done.completed));
  assert.equal(done.eTags.length, 3);
  assert.equal(done.completed.sha1, hash("sha1", large));
  assert.equal(progress.at(-1), 1);
});
await check("a file in parts whose URLs are asked for one by one, from a stream", async () => {
  const path = join(work, "large");
  writeFileSync(path, large);
  const file = { objectKey: "streamed.bin", data: createReadStream(path), length: large.length };
  const [done] = await objects.uploadResources(BUCKET, [file], { maxBatches: 1 }, auth, token);
  assert.ok(!done.error, JSON.stringify(done.completed));
  assert.equal(done.completed.sha1, hash("sha1", large));
});
await check("several files in one call", async () => {
  const files = Array.from({ length: 12 }, (_, number) => ({ objectKey: `many/${number}.txt`, data: `content of ${number}` }));
  for (const done of await objects.uploadResources(BUCKET, files, {}, auth, token)) {
    assert.ok(!done.error, JSON.stringify(done.completed));
    assert.equal(done.completed.objectKey, done.objectKey);
  }
});
await check("an upload that is not what was sent", async () => {
  const file = { objectKey: "wrong.bin", data: small, eTags: ["0".repeat(32)] };
  const [done] = await objects.uploadResources(BUCKET, [file], {}, auth, token);
  assert.ok(done.error);
  assert.equal(done.completed.reason, "MissingOrInvalidParts");
  await refused(objects.getObjectDetails(BUCKET, "wrong.bin", {}, auth, token), 404, '"Object not found"');
});
await check("files are downloaded", async () => {
  const path = join(work, "downloaded");
  const files = [
    { objectKey: "small.bin", responseType: "arraybuffer" },
    { objectKey: "dir/large ü.bin", responseType: "stream", data: createWriteStream(path) },
    { objectKey: "nothing.bin", responseType: "arraybuffer" },
  ];
  const [one, two, none] = await objects.downloadResources(BUCKET, files, {}, auth, token);
  assert.ok(small.equals(one.data));
  assert.equal(hash("sha1", readFileSync(path)), hash("sha1", large));
  assert.ok(none.error);
  assert.equal(none.downloadParams.body.results["nothing.bin"].status, "error");
});
await check("objects, page by page", async () => {
  const found = [];
  let startAt;
  do {
    const { body } = await objects.getObjects(BUCKET, { limit: 5, beginsWith: "many/", startAt }, auth, token);
    found.push(...body.items.map((object) => object.objectKey));
    startAt = body.next && new URL(body.next).searchParams.get("startAt");
  } while (startAt);
  assert.equal(found.length, 12);
  assert.deepEqual(found, [...new Set(found)].sort());
});
await check("an object's details", async () => {
  const asked = { with: ["createdDate", "lastModifiedDate", "lastAccessedDate"] };
  const { body } = await objects.getObjectDetails(BUCKET, "dir/large ü.bin", asked, auth, token);
  assert.deepEqual([body.size, body.sha1], [large.length, hash("sha1", large)]);
  assert.equal(body.location, `${VALETKEY_URL}/oss/v2/buckets/${BUCKET}/objects/dir%2Flarge%20%C3%BC.bin`);
  for (const name of asked.with) assert.ok(Math.abs(body[name] - Date.now()) < 600_000, name);
});
await check("details of what has not changed since", () =>
  refused(
    objects.getObjectDetails(BUCKET, "small.bin", { ifModifiedSince: new Date(Date.now() + 60_000).toUTCString() }, auth, token),
    304,
  ),
);
await check("an object is copied", async () => {
  const { body } = await objects.copyTo(BUCKET, "small.bin", "copy of small/ü.bin", auth, token);
  assert.deepEqual([body.objectKey, body.size, body.sha1], ["copy of small/ü.bin", small.length, hash("sha1", small)]);
  assert.equal(body.contentType, "application/x-small");
  const copy = await objects.getObject(BUCKET, "copy of small/ü.bin", {}, auth, token);
  assert.ok(small.equals(Buffer.from(copy.body)));
});
await check("what is not there is not copied", () =>
  refused(objects.copyTo(BUCKET, "nothing", "copy", auth, token), 404, '"Object not found"'),
);
await check("an object, and a range of it", async () => {
  const whole = await objects.getObject(BUCKET, "small.bin", {}, auth, token);
  assert.ok(small.equals(Buffer.from(whole.body)));
  const part = await objects.getObject(BUCKET, "small.bin", { range: "bytes=10-19" }, auth, token);
  assert.deepEqual([part.statusCode, part.headers["content-range"]], [206, "bytes 10-19/1000"]);
  assert.ok(small.subarray(10, 20).equals(Buffer.from(part.body)));
});
await check("an object is uploaded directly", async () => {
  const opts = { contentDisposition: 'attachment; filename="r.txt"', xAdsContentSha1: hash("sha1", small) };
  const { body } = await objects.uploadObject(BUCKET, "direct.txt", small.length, small, opts, auth, token);
  assert.deepEqual([body.objectKey, body.size, body.sha1], ["direct.txt", small.length, hash("sha1", small)]);
});
await check("bytes that are not those announced", () =>
  refused(
    objects.uploadObject(BUCKET, "direct.txt", 1000, small, { xAdsContentSha1: "0".repeat(40) }, auth, token),
    400,
    "Mismatched checksums",
  ),
);
await check("an object is uploaded in chunks, the last one first", async () => {
  const chunk = (from, to) => {
    const part = large.subarray(from, to);
    const range = `bytes ${from}-${to - 1}/${large.length}`;
    return objects.uploadChunk(BUCKET, "chunks.bin", part.length, range, "session-1", part, {}, auth, token);
  };
  assert.equal((await chunk(6 * MIB, large.length)).statusCode, 202);
  const status = await objects.getStatusBySessionId(BUCKET, "chunks.bin", "session-1", auth, token);
  assert.equal(status.headers.range, `bytes=${6 * MIB}-${large.length - 1}`);
  const { body, statusCode } = await chunk(0, 6 * MIB);
  assert.deepEqual([statusCode, body.size], [200, large.length]);
  const { body: details } = await objects.getObjectDetails(BUCKET, "chunks.bin", {}, auth, token);
  assert.equal(details.sha1, hash("sha1", large));
});

const sign = async (key, body = {}, opts = {}) => (await objects.createSignedResource(BUCKET, key, body, opts, auth, token)).body;
const idOf = (signed) => new URL(signed.signedUrl).pathname.split("/").pop();
const read = async (url) => Buffer.from((await axios.get(url, { responseType: "arraybuffer" })).data);
let shared;
await check("a signed resource, as it is asked for if nothing is said", async () => {
  shared = await sign("small.bin");
  assert.equal(shared.singleUse, false);
  assert.ok(shared.expiration > Date.now() + 3_000_000);
  assert.ok(small.equals(await read(shared.signedUrl)));
});
await check("a signed resource by its id, and a range of it", async () => {
  const text = await objects.getSignedResource(idOf(await sign("many/7.txt")), {}, auth, token);
  assert.equal(text.body, "content of 7");
  const range = await objects.getSignedResource(idOf(await sign("many/7.txt")), { range: "bytes=0-6" }, auth, token);
  assert.deepEqual([range.statusCode, range.body], [206, "content"]);
});
await check("a signed resource is written", async () => {
  const signed = await sign("direct.txt", { minutesExpiration: 5 }, { access: "write" });
  const { body } = await objects.uploadSignedResource(idOf(signed), 7, "written", {}, auth, token);
  assert.deepEqual([body.objectKey, body.size, body.sha1], ["direct.txt", 7, hash("sha1", "written")]);
  await refused(axios.get(signed.signedUrl), 403, "Signed Resource does not grant read permissions");
});
await check("a signed resource is written in chunks", async () => {
  const signed = await sign("direct.txt", {}, { access: "write" });
  const chunk = (range, body) => objects.uploadSignedResourcesChunk(idOf(signed), `bytes ${range}/12`, "session-2", body, {}, auth, token);
  assert.equal((await chunk("5-11", " chunks")).statusCode, 202);
  assert.equal((await chunk("0-4", "two  ".trim().padEnd(5))).statusCode, 200);
  const { body } = await objects.getObject(BUCKET, "direct.txt", {}, auth, token);
  assert.equal(Buffer.from(body).toString(), "two   chunks");
  // As the next check has it.
  await objects.uploadSignedResource(idOf(signed), 7, "written", {}, auth, token);
});
await check("only what has not changed is overwritten", async () => {
  const signed = await sign("direct.txt", {}, { access: "readwrite" });
  const put = (body, ifMatch) => objects.uploadSignedResource(idOf(signed), body.length, body, { ifMatch }, auth, token);
  await refused(put("again", "0".repeat(40)), 412, "ETag Not Matched");
  await put("again", hash("sha1", "written"));
  assert.equal((await read(signed.signedUrl)).toString(), "again");
});
await check("a signed resource for reading is not written", () =>
  refused(
    objects.uploadSignedResource(idOf(shared), 1, "x", {}, auth, token),
    403,
    "Signed Resource does not grant write permissions",
  ),
);
await check("a signed resource of one use", async () => {
  const signed = await sign("small.bin", { singleUse: true });
  assert.equal(signed.singleUse, true);
  assert.ok(small.equals(await read(signed.signedUrl)));
  await refused(axios.get(signed.signedUrl), 404);
});
await check("a signed resource is deleted, and its object stays", async () => {
  const { body } = await objects.deleteSignedResource(idOf(shared), {}, auth, token);
  assert.ok(String(body).includes(idOf(shared)), body);
  await refused(axios.get(shared.signedUrl), 404);
  await objects.getObjectDetails(BUCKET, "small.bin", {}, auth, token);
});
await check("transfers of one object", async () => {
  const { body: upload } = await objects.getS3UploadURL(BUCKET, "one.bin", {}, auth, token);
  await axios.put(upload.urls[0], small);
  const done = await objects.completeS3Upload(BUCKET, "one.bin", { uploadKey: upload.uploadKey }, {}, auth, token);
  assert.equal(done.body.size, small.length);
  const { body } = await objects.getS3DownloadURL(BUCKET, "one.bin", {}, auth, token);
  assert.deepEqual([body.status, body.size, body.sha1], ["complete", small.length, hash("sha1", small)]);
  assert.ok(small.equals(await read(body.url)));
});

await check("a token that is none", () =>
  refused(buckets.getBuckets({}, auth, { access_token: "none" }), 401, "Access token provided is invalid or expired."),
);
await check("another tenant", async () => {
  const other = { access_token: VALETKEY_OTHER_BEARER };
  await refused(objects.getObjects(BUCKET, {}, auth, other), 403);
  await refused(objects.getS3DownloadURLs(BUCKET, { requests: [{ objectKey: "small.bin" }] }, {}, auth, other), 403);
  await refused(objects.copyTo(BUCKET, "small.bin", "stolen", auth, other), 403);
});
await check("objects and buckets are deleted", async () => {
  for (let left = true; left; ) {
    const { body } = await objects.getObjects(BUCKET, { limit: 100 }, auth, token);
    for (const object of body.items) await objects.deleteObject(BUCKET, object.objectKey, auth, token);
    left = body.next;
  }
  await refused(objects.deleteObject(BUCKET, "small.bin", auth, token), 404);
  await buckets.deleteBucket(BUCKET, auth, token);
  await refused(buckets.getBucketDetails(BUCKET, auth, token), 404);
});

rmSync(work, { recursive: true });
finish();
