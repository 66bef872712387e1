// The queue that the board looks at.

import { Queue } from "bullmq";
import { Redis } from "ioredis";

export const NAME = "mutations";

export function redis(port) {
  return new Redis({ host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null });
}

export function queue(port) {
  return new Queue(NAME, { connection: redis(port) });
}
