// A proxy that loses acknowledgements: a push goes through, the server carries it out and answers, and then the client's
// socket is destroyed instead. Everything else passes unchanged, streams as well.

import http from "node:http";

/** Where clients push: the protocol of the store, and those of other apps. */
const PUSHES = /(\/mutations|\/sync\/batch|\/mobile\/equipment\/[^/]+|\/adapters\/[^/]+\/[^/]+)$/;

/** Starts one in front of `target`. `losing` is asked once per push. */
export async function losingProxy(target, losing) {
  const { hostname, port } = new URL(target);
  const lost = { count: 0, pushes: 0 };
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    const push = request.method !== "GET" && PUSHES.test(request.url.split("?")[0]);
    const onward = http.request({ hostname, port, agent, method: request.method, path: request.url, headers: request.headers }, (answer) => {
      if (push) lost.pushes += 1;
      if (push && losing()) {
        lost.count += 1;
        answer.resume().on("end", () => request.socket.destroy());
        return;
      }
      response.writeHead(answer.statusCode, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    response.on("close", () => response.writableFinished || onward.destroy());
    request.pipe(onward);
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const close = async () => {
    server.closeAllConnections();
    agent.destroy();
    await new Promise((done) => server.close(done));
  };
  return { url: `http://127.0.0.1:${server.address().port}`, lost, close };
}
