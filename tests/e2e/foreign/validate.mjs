// Compiles JSON Schemas as strictly as ajv can, and validates messages by them.
//
//     node validate.mjs <folder of schemas> < messages
//
// Reads one JSON message a line, and writes one line for each: its faults as a JSON array.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const folder = process.argv[2];
const log = {
  log: () => {},
  warn: (text) => {
    throw new Error(text);
  },
  error: (text) => {
    throw new Error(text);
  },
};
const ajv = new Ajv2020({ strict: true, allErrors: true, logger: log });
addFormats(ajv);

const validators = new Map();
for (const name of readdirSync(folder)) {
  const schema = JSON.parse(readFileSync(join(folder, name), "utf8"));
  validators.set(name.replace(".schema.json", ""), ajv.compile(schema));
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  const validate = validators.get(message.type);
  const faults = validate(message)
    ? []
    : validate.errors.map((each) => `${each.instancePath}: ${each.message}`);
  console.log(JSON.stringify(faults));
}
