// A page in chromium, beside a folder and the packages of npm, all from one server on loopback.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const TYPES = {
  ".dzi": "application/xml",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".m3u8": "application/vnd.apple.mpegurl",
  ".mp4": "video/mp4",
  ".m4s": "video/mp4",
};

/** The media type of a file by its name. */
export const typeOf = (path, otherwise = "") => TYPES[extname(path)] ?? otherwise;

/** Opens `html` with `folder` at /`at`/ beside it, and lets `work(tab)` do what it does there. Prints what that gives, and
 * what the page logged and asked for in vain, as JSON; the exit code is 1 if it throws. */
export async function inPage({ html, folder, at, port = 0, flags = [], viewport, prepare = async () => {} }, work) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
    const file = path.startsWith(`/${at}/`) ? join(folder, path.slice(at.length + 2)) : join(here, "node_modules", path);
    try {
      const body = path === "/" ? html : await readFile(file);
      response.writeHead(200, { "content-type": path === "/" ? "text/html" : typeOf(path) }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const browser = await launch(flags);
  const errors = [];
  try {
    const tab = await browser.newPage(viewport ? { viewport } : {});
    tab.on("pageerror", (error) => errors.push(String(error)));
    tab.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    tab.on("response", (response) => response.ok() || errors.push(`${response.status()} ${response.url()}`));
    await prepare(tab);
    await tab.goto(`http://127.0.0.1:${server.address().port}/`);
    console.log(JSON.stringify({ ...(await work(tab)), errors }));
  } catch (error) {
    console.log(JSON.stringify({ errors: [...errors, String(error)] }));
    process.exitCode = 1;
  } finally {
    await browser.close();
    server.close();
  }
}
