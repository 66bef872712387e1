// Fails jobs: `node fill.mjs REDIS_PORT FROM TO`. Each is added once and taken once by a worker that cannot do it.

import { UnrecoverableError, Worker } from "bullmq";

import { message, operation, payload } from "../harness/failures.mjs";
import { NAME, queue, redis } from "./queue.mjs";

const TOGETHER = 1_000;

const [port, from, to] = process.argv.slice(2).map(Number);
const filling = queue(port);
for (let n = from; n < to; n += TOGETHER) {
  const some = Array.from({ length: Math.min(TOGETHER, to - n) }, (_, at) => n + at);
  await filling.addBulk(some.map((at) => ({ name: operation(at), data: { n: at, ...payload(at) }, opts: { attempts: 1 } })));
}
const work = async (job) => {
  throw new UnrecoverableError(message(job.data.n));
};
const worker = new Worker(NAME, work, { connection: redis(port), concurrency: 100 });
let failed = 0;
await new Promise((resolve, reject) => {
  worker.on("error", reject);
  worker.on("failed", () => {
    failed += 1;
    if (failed === to - from) resolve();
  });
});
await worker.close();
console.log(failed);
process.exit(0);
