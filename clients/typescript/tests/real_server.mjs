// What a user does with the client, against a real service: real_server.mjs URL KEY PICTURE.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { BadSignature, Client, PanofleetError, verifyWebhook } from "../dist/index.js";

const [url, key, picture] = process.argv.slice(2);
const client = new Client(url, { key });

const source = await client.upload(new Blob([await readFile(picture)], { type: "image/jpeg" }));
const outputs = { tiles: { op: "pano.tiles" }, small: { op: "image.thumbnail", width_px: 64 } };
const asked = { source, outputs, labels: { album: "typescript" }, idempotency_key: "typescript-1" };
const accepted = await client.submit(asked);
assert.equal((await client.submit(asked)).id, accepted.id, "the same key is the same job");
const job = await client.wait(accepted.id);
assert.equal(job.state, "succeeded");
const manifest = await client.manifest(job.id);
for (const [name, output] of Object.entries(manifest.outputs)) {
  for (const file of output.files) {
    const bytes = Buffer.from(await (await client.file(job.id, name, file.path)).arrayBuffer());
    assert.equal(createHash("sha256").update(bytes).digest("hex"), file.sha256, file.path);
  }
}
assert.equal((await client.history(job.id))[0].reason, "accepted");

// The least that parts may have is 5 MiB.
const bytes = Buffer.concat([await readFile(picture), Buffer.alloc(33 << 20)]);
const sha256 = createHash("sha256").update(bytes).digest("hex");
const large = await client.upload(new Blob([bytes], { type: "image/jpeg" }), { sha256, partsFrom: 1 << 20 });
const probed = await client.submit({ source: large, outputs: { probe: { op: "media.probe" } } });
assert.equal((await client.wait(probed.id)).state, "succeeded");
assert.equal((await client.manifest(probed.id)).source.sha256, sha256);
const wrong = client.upload(new Blob(["wrong"]), { sha256 });
await assert.rejects(wrong, (error) => error instanceof PanofleetError && error.code === "upload_refused");

const nothing = { source: "none", outputs: { n: { op: "fleet.noop" } } };
const verdicts = await client.submitMany([nothing, { source: "none" }, nothing]);
assert.deepEqual(verdicts.map((verdict) => verdict.status), [201, 422, 201]);
assert.equal((await client.wait(verdicts[0].id)).state, "succeeded");
const found = [];
for await (const one of client.jobs({ label: "album:typescript", operation: "pano.tiles", limit: 1 })) found.push(one.id);
assert.deepEqual(found, [job.id]);

const nonsense = client.submit({ source, outputs: { x: { op: "pano.nonsense" } } });
await assert.rejects(nonsense, (error) => error instanceof PanofleetError && error.status === 422);
const nobody = new Client(url, { key: "pf_nobody" }).job(job.id);
await assert.rejects(nobody, (error) => error instanceof PanofleetError && error.status === 401);
const anew = await client.retry(job.id, { priority: "high" });
assert.deepEqual([anew.generation, anew.priority], [2, "high"]);

// The vector of the Standard Webhooks libraries.
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const headers = {
  "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
  "webhook-timestamp": "1614265330",
  "webhook-signature": "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};
const body = new TextEncoder().encode('{"test": 2432232314}');
assert.equal((await verifyWebhook(secret, headers, body, 1614265330)).test, 2432232314);
const changed = new TextEncoder().encode('{"test": 2432232315}');
await assert.rejects(verifyWebhook(secret, headers, changed, 1614265330), BadSignature);
await assert.rejects(verifyWebhook(secret, headers, body, 1614265330 + 301), BadSignature);
console.log("ok");
