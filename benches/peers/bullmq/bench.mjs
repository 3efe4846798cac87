// Jobs that do nothing through BullMQ on Redis: how many a second once many wait, and how long one waits when few do.
//
//   node bench.mjs REDIS_PORT JOBS JOBS_PER_S SECONDS     prints one line of JSON
//
// The worker is a process of its own, which says when it has run what it was to run.
import { fork } from "node:child_process";
import { once } from "node:events";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";

import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

// Jobs that the worker has at work at a time, and jobs of one addBulk.
const CONCURRENCY = 200;
const BATCH = 2500;

const now = () => performance.timeOrigin + performance.now();
const noop = () => ({ sent_at: now(), source: "none", outputs: { n: { op: "fleet.noop" } } });
const connect = (port) => new Redis({ host: "127.0.0.1", port, maxRetriesPerRequest: null });
const options = { removeOnComplete: true, removeOnFail: false };

async function work(connection, counts) {
  let [left, waits] = [counts.shift(), []];
  const worker = new Worker("noop", async (job) => { waits.push(now() - job.data.sent_at); },
    { connection, concurrency: CONCURRENCY, autorun: false });
  worker.on("completed", () => {
    left -= 1;
    if (left === 0) {
      process.send({ waits: waits.sort((one, other) => one - other) });
      [left, waits] = [counts.shift() ?? 0, []];
    }
  });
  process.on("disconnect", () => process.exit());
  await worker.waitUntilReady();
  process.send({ ready: true });
  await once(process, "message");
  void worker.run();
}

async function measure(port, jobs, rate, seconds) {
  const queue = new Queue("noop", { connection: connect(port) });
  await queue.waitUntilReady();
  let begun = performance.now();
  for (let left = jobs; left > 0; left -= BATCH) {
    const many = Array.from({ length: Math.min(left, BATCH) }, () => ({ name: "noop", data: noop(), opts: options }));
    await queue.addBulk(many);
  }
  const accepted = jobs / ((performance.now() - begun) / 1000);

  const worker = fork(fileURLToPath(import.meta.url), ["worker", port, jobs, rate * seconds]);
  await once(worker, "message");
  begun = performance.now();
  worker.send({ go: true });
  await once(worker, "message");
  const ran = jobs / ((performance.now() - begun) / 1000);

  const steady = once(worker, "message");
  const first = performance.now();
  for (let n = 0; n < rate * seconds; n += 1) {
    const wait = first + (n * 1000) / rate - performance.now();
    if (wait > 0) await new Promise((resolve) => { setTimeout(resolve, wait); });
    void queue.add("noop", noop(), options);
  }
  const [{ waits }] = await steady;
  const at = (share) => waits[Math.floor(share * (waits.length - 1))];
  const found = { accepted_per_s: accepted, ran_per_s: ran, p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99) };
  console.log(JSON.stringify(found));
  worker.disconnect();
  await queue.close();
  process.exit();
}

const [role, ...rest] = process.argv.slice(2);
if (role === "worker") {
  const [port, ...counts] = rest.map(Number);
  await work(connect(port), counts);
} else {
  const [port, jobs, rate, seconds] = [role, ...rest].map(Number);
  await measure(port, jobs, rate, seconds);
}
