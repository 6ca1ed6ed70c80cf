// What people build: notifications with the row in them, sent on to every WebSocket. It keeps no log.
import pg from "pg";
import { WebSocketServer } from "ws";

const [, host, port, database] = /@([^:]+):(\d+)\/(.+)$/.exec(process.argv[2]);
const client = new pg.Client({ host: decodeURIComponent(host), port: Number(port), database, user: "postgres" });
await client.connect();

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
client.on("notification", ({ payload }) => {
    for (const socket of server.clients) socket.send(payload);
});
await client.query("listen gateway");
const announce = () => console.log(`listening on 127.0.0.1:${server.address().port}`);
if (server.address()) announce();
else server.on("listening", announce);
