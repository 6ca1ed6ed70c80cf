// Follows a channel and says what changes: node follow.js orders
// ROWBELL_URL is the server, http://127.0.0.1:8080 if unset; ROWBELL_TOKEN its token, if it wants one.

import process from 'node:process';
import { RealtimeClient } from '../realtime-client.js';

const [channel = 'orders'] = process.argv.slice(2);
const client = new RealtimeClient({
  url: process.env.ROWBELL_URL ?? 'http://127.0.0.1:8080',
  getToken: () => process.env.ROWBELL_TOKEN,
  onError: (error) => console.error(error.message),
});
const rows = client.collection(channel);
rows.onUpdate(({ startedOver, rows: changed }) => {
  if (startedOver) console.log(`${rows.size} rows`);
  else for (const [id, row] of changed) console.log(id, JSON.stringify(row));
});
const error = await rows.ended;
if (error) {
  console.error(error.message);
  process.exitCode = 1;
}
client.close();
