// Uploads from a page of another origin than the API's and the store's, with the TypeScript client.
//
//   node upload.mjs API KEY PORT BYTES
//
// The page is at http://127.0.0.1:PORT. Prints the source that a job names, and what the page logged, as JSON; exits with 1
// and the page's own words if it is not let.
import { fileURLToPath } from "node:url";
import { inPage } from "./served.mjs";

const [api, key, port, bytes] = process.argv.slice(2);
const folder = fileURLToPath(new URL("../../clients/typescript/dist", import.meta.url));
const html = "<!doctype html><title>upload</title><link rel='icon' href='data:,'>";

/** Runs in the page: a file of the same bytes as pattern() of the test that starts this. */
async function upload([api, key, bytes]) {
  const { Client } = await import("/client/index.js");
  const client = new Client(api, { key });
  const body = Uint8Array.from({ length: bytes }, (_, at) => (at * 31) % 251);
  const source = await client.upload(new Blob([body], { type: "video/mp4" }), { partsFrom: 1 });
  const job = await client.submit({ source, outputs: { probe: { op: "media.probe" } } });
  return { source, job: job.id };
}

await inPage({ html, folder, at: "client", port: +port }, (tab) => tab.evaluate(upload, [api, key, +bytes]));
