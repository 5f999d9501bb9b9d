// Asks a server for one transcription by the official client, and tells what its caller sees.
//
// In: one line of JSON with baseURL, arguments and maxRetries. Out: one line of JSON with the value,
// the events of a stream, and what was raised. The package is looked up from the working folder.

import { createRequire } from "node:module";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const find = createRequire(join(process.cwd(), "soundcheck.js"));
const { default: OpenAI, toFile } = await import(pathToFileURL(find.resolve("openai")));

const asked = JSON.parse(await text(process.stdin));
const client = new OpenAI({ apiKey: "none", baseURL: asked.baseURL, maxRetries: asked.maxRetries });
const told = { value: null, events: [], raised: null };
try {
  const file = await toFile(new Uint8Array(4), "a.wav");
  const value = await client.audio.transcriptions.create({ ...asked.arguments, file });
  if (asked.arguments.stream) {
    for await (const event of value) told.events.push(event);
  } else {
    told.value = value;
  }
} catch (error) {
  const { status, message, code, param, type } = error;
  told.raised = { name: error.constructor.name, status, message, code, param, type };
}
process.stdout.write(JSON.stringify(told) + "\n");
