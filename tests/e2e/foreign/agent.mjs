// An agent, written from docs/messages.md alone.
//
//     NATS_URL=… NATS_USER=… NATS_PASSWORD=… SITE=… HOST=… node agent.mjs
//
// Reads one JSON array of images a line. Says an inventory when its content is new, and that it
// lives otherwise; writes what it said as one line. Ends at the end of its input.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const { NATS_URL, NATS_USER, NATS_PASSWORD, SITE, HOST } = process.env;
const INTERVAL_S = 1;

const connection = await connect({
  servers: NATS_URL,
  user: NATS_USER,
  pass: NATS_PASSWORD,
  inboxPrefix: process.env.INBOX,
});
const stream = jetstream(connection);

// The fields of an image in the order of docs/messages.md, with the default of each; the last two
// are written only where they are true.
const FIELDS = {
  reference: undefined,
  image_id: undefined,
  repo_digests: [],
  platform: "linux/amd64",
  tagged: true,
  size: 0,
  created_at: null,
  containers: [],
  running: 0,
  manifest_digest: "",
  services: [],
};

function inFull(image) {
  const full = {};
  for (const [name, initial] of Object.entries(FIELDS)) full[name] = image[name] ?? initial;
  for (const name of ["digest_lost", "by_digest"]) if (image[name]) full[name] = true;
  return full;
}

function contentOf(images) {
  const written = images.map((image) => Buffer.from(JSON.stringify(inFull(image))));
  written.sort(Buffer.compare);
  const hash = createHash("sha256").update("[");
  written.forEach((image, place) => hash.update(place ? "," : "").update(image));
  return `sha256:${hash.update("]").digest("hex")}`;
}

let stored = "";
let seq = 0;
const now = () => new Date().toISOString();

for await (const line of createInterface({ input: process.stdin })) {
  const images = JSON.parse(line);
  const content = contentOf(images);
  const common = { site: SITE, host: HOST, content, seq: ++seq, interval_s: INTERVAL_S };
  if (content === stored) {
    connection.publish(
      `drift.v1.alive.${SITE}.${HOST}`,
      JSON.stringify({ type: "alive", ...common, at: now() }),
    );
    await connection.flush();
    console.log(JSON.stringify({ said: "alive", content }));
  } else {
    const inventory = { type: "inventory", ...common, taken_at: now(), hostname: "foreign", images };
    await stream.publish(`drift.v1.inventory.${SITE}.${HOST}`, JSON.stringify(inventory));
    stored = content;
    console.log(JSON.stringify({ said: "inventory", content }));
  }
}
await connection.drain();
