// Bundles the two viewers and the player of streams into dist/, which the binary embeds: one script each, a style
// sheet for each viewer, and the licences of everything that is in them.
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");

/** The packages that a bundle took files from, by esbuild's own account. */
function packagesOf(metafile) {
  const names = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const found = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) names.add(found[1]);
  }
  return [...names].sort();
}

async function licenceOf(name) {
  const folder = join(here, "node_modules", name);
  const about = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((entry) => /^(licen[cs]e|copying)(\.|$)/i.test(entry));
  if (!file) throw new Error(`${name} is bundled and has no licence file`);
  const text = await readFile(join(folder, file), "utf8");
  return `${name} ${about.version} (${about.license})\n\n${text.trim()}\n`;
}

await rm(dist, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["src/psv.js", "src/pannellum.js", "src/stream.js"],
  outdir: dist,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2020",
  legalComments: "none",
  banner: { js: "/* licences: /viewer/LICENSES.txt */", css: "/* licences: /viewer/LICENSES.txt */" },
  metafile: true,
});
const licences = await Promise.all(packagesOf(metafile).map(licenceOf));
const rule = `\n${"-".repeat(78)}\n\n`;
await writeFile(join(dist, "LICENSES.txt"), licences.join(rule));

for (const [file, { bytes }] of Object.entries(metafile.outputs)) {
  console.log(`${file}: ${Math.ceil(bytes / 1024)} KiB`);
}
