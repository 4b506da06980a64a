// A follower of changed verdicts, written from docs/messages.md alone.
//
//     NATS_URL=… NATS_USER=… NATS_PASSWORD=… node follower.mjs
//
// Writes one line for each change, and acknowledges it after that. Ends at the end of its input.
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const { NATS_URL, NATS_USER, NATS_PASSWORD } = process.env;
const connection = await connect({
  servers: NATS_URL,
  user: NATS_USER,
  pass: NATS_PASSWORD,
  inboxPrefix: `_INBOX_${NATS_USER}`,
});
const stream = jetstream(connection, { apiPrefix: "FLEET.API" });
const consumer = await stream.consumers.get("DRIFT_CHANGED", NATS_USER);
const messages = await consumer.consume();
process.stdin.on("end", async () => {
  await messages.close();
  await connection.drain();
});
process.stdin.resume();

for await (const message of messages) {
  const change = message.json();
  if (change.type === "changed") {
    console.log(JSON.stringify({ subject: message.subject, change }));
  }
  message.ack();
}
