// A proxy that is far away: every answer comes so many milliseconds later. A process of its own, so that what it holds is not counted
// as the client's. Prints its port, and ends with its parent.

import http from "node:http";

const [target, delay] = [new URL(process.argv[2]), Number(process.argv[3])];
const agent = new http.Agent({ keepAlive: true });
const later = (what) => setTimeout(what, delay / 2);

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () =>
    later(() => {
      const onward = http.request({ hostname: target.hostname, port: target.port, agent, method: request.method, path: request.url, headers: request.headers }, (answer) => {
        const back = [];
        answer.on("data", (part) => back.push(part));
        answer.on("end", () => later(() => response.writeHead(answer.statusCode, answer.headers).end(Buffer.concat(back))));
      });
      onward.on("error", () => response.destroy());
      onward.end(Buffer.concat(parts));
    }),
  );
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.stdin.resume().on("end", () => process.exit(0));
