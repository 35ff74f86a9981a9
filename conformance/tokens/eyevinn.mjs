// Drives @eyevinn/cat: a line of JSON in, a line of JSON out.
import { createInterface } from 'node:readline';
import { CAT, HttpValidator } from '@eyevinn/cat';

const toMap = (entries) =>
  new Map(entries.map(([key, kind, value]) => [key, kind === 'bytes' ? Buffer.from(value, 'hex') : value]));

const cat = ({ key }) => new CAT({ keys: { [key.kid]: Buffer.from(key.secret_hex, 'hex') }, expectCwtTag: true });

const operations = {
  // The library's own check of MAC, times, issuer, path and address.
  async validate(line) {
    const options = { issuer: line.issuer, url: new URL(line.url), ip: line.ip };
    const result = await cat(line).validate(line.token, 'mac', options);
    return { accepted: !result.error, error: result.error && `${result.error}`, claims: result.cat?.claims };
  },
  // Its check of a whole request, methods included.
  async http(line) {
    const validator = new HttpValidator({
      keys: [{ kid: line.key.kid, key: Buffer.from(line.key.secret_hex, 'hex') }],
      issuer: line.issuer,
    });
    const url = new URL(line.url);
    const headers = { host: url.host, 'cta-common-access-token': line.token };
    const result = await validator.validateHttpRequest({ method: line.method, url: url.pathname, headers });
    return { accepted: result.status === 200, error: result.message };
  },
  async generate(line) {
    const options = { type: 'mac', alg: 'HS256', kid: line.key.kid };
    if (!line.private) return { token: await cat(line).generateFromJson(line.claims, options) };
    const claims = { ...line.claims, [line.private.label]: toMap(line.private.entries) };
    // `generate` takes labels where `generateFromJson` takes names.
    const labels = { 'exact-match': 0, 'prefix-match': 1 };
    const [[match, path]] = Object.entries(claims.catu.path);
    claims.catu = { 3: { [labels[match]]: path } };
    return { token: await cat(line).generate(claims, options) };
  },
};

for await (const text of createInterface({ input: process.stdin })) {
  const line = JSON.parse(text);
  let answer;
  try {
    answer = await operations[line.operation](line);
  } catch (error) {
    answer = { accepted: false, error: `${error}` };
  }
  console.log(JSON.stringify(answer));
}
