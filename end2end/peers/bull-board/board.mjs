// The board as its makers show it, on express: `node board.mjs PORT REDIS_PORT`.

import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ExpressAdapter } from "@bull-board/express";
import express from "express";

import { queue } from "./queue.mjs";

const [port, redisPort] = process.argv.slice(2).map(Number);
const serverAdapter = new ExpressAdapter();
createBullBoard({ queues: [new BullMQAdapter(queue(redisPort))], serverAdapter });
const app = express();
app.use("/", serverAdapter.getRouter());
app.listen(port, "127.0.0.1");
