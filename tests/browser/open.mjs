// Opens the tiles of a folder in a viewer of npm's, and takes pictures of what it shows.
//
//   node open.mjs VIEWER FOLDER WIDTH HEIGHT OUT_FOLDER < views.json
//
// VIEWER is marzipano (views: [{"name", "yaw", "pitch", "hfov"}, …], degrees) or deepzoom (views: [{"name", "x",
// "y", "width"}, …], shares of the picture's width) or iiif (the same, of a service that says it is at
// https://tiles.example/reef, which is the folder here). Writes OUT_FOLDER/<name>.png for each view. Prints what the page
// logged and what it asked for in vain, as JSON; exits with 1 if the viewer does not come up.
import { readFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { SOFTWARE_GL } from "./browser.mjs";
import { inPage, typeOf } from "./served.mjs";

const [kind, folder, width, height, out] = process.argv.slice(2);
const views = JSON.parse(readFileSync(0, "utf8"));

const SCRIPTS = {
  marzipano: "marzipano/dist/marzipano.js",
  deepzoom: "openseadragon/build/openseadragon/openseadragon.min.js",
  iiif: "openseadragon/build/openseadragon/openseadragon.min.js",
};

/** Where an image service says that it is. */
const SERVICE = "https://tiles.example/reef/";

/** Runs in the page: starts the viewer and leaves window.look(view) and window.isQuiet(). */
const START = {
  marzipano: async () => {
    const config = await (await fetch("/tiles/marzipano.json")).json();
    const viewer = new Marzipano.Viewer(document.getElementById("viewer"), { stage: { preserveDrawingBuffer: true } });
    const source = Marzipano.ImageUrlSource.fromString(`/tiles/${config.tileUrl}`, {
      cubeMapPreviewUrl: `/tiles/${config.cubeMapPreviewUrl}`,
    });
    const view = new Marzipano.RectilinearView(config.initialViewParameters);
    const scene = viewer.createScene({ source, geometry: new Marzipano.CubeGeometry(config.levels), view, pinFirstLevel: true });
    scene.switchTo({ transitionDuration: 0 });
    const radians = (degrees) => (degrees * Math.PI) / 180;
    // A frame is stable when all of its tiles are there; the next one may see others.
    const QUIET_MS = 400;
    let stableSince = Infinity;
    viewer.stage().addEventListener("renderComplete", (stable) => {
      stableSince = stable ? Math.min(stableSince, performance.now()) : Infinity;
    });
    window.look = ({ yaw, pitch, hfov }) => {
      stableSince = Infinity;
      const shape = viewer.stage().width() / viewer.stage().height();
      const fov = 2 * Math.atan(Math.tan(radians(hfov) / 2) / shape);
      view.setParameters({ yaw: radians(yaw), pitch: -radians(pitch), fov });
    };
    window.isQuiet = () => performance.now() - stableSince > QUIET_MS;
  },
  deepzoom: async (manifest = "/tiles/image.dzi") => {
    const viewer = OpenSeadragon({
      id: "viewer", tileSources: manifest, showNavigationControl: false, animationTime: 0,
      immediateRender: true, drawer: "canvas", minZoomImageRatio: 0.1, maxZoomPixelRatio: 10, visibilityRatio: 0,
    });
    await new Promise((resolve, reject) => {
      viewer.addHandler("open", resolve);
      viewer.addHandler("open-failed", ({ message }) => reject(new Error(message)));
    });
    window.look = ({ x, y, width }) => {
      const shape = viewer.container.clientHeight / viewer.container.clientWidth;
      viewer.viewport.fitBounds(new OpenSeadragon.Rect(x, y, width, width * shape), true);
    };
    window.isQuiet = () => viewer.world.getItemAt(0).getFullyLoaded();
  },
};
const MANIFEST = { iiif: `${SERVICE}info.json` };

const BOX = `position:fixed;inset:0 auto auto 0;width:${width}px;height:${height}px`;
const HTML = `<!doctype html><link rel="icon" href="data:,"><script src="/${SCRIPTS[kind]}"></script><div id="viewer" style="${BOX}"></div>`;

/** Answers for the image service out of the folder. */
async function serve(tab) {
  await tab.route(`${SERVICE}**`, async (route) => {
    const path = normalize(decodeURIComponent(new URL(route.request().url()).pathname)).replace("/reef/", "");
    const body = await readFile(join(folder, path)).catch(() => undefined);
    const headers = { "access-control-allow-origin": "*", "content-type": typeOf(path, "image/jpeg") };
    await route.fulfill(body ? { status: 200, headers, body } : { status: 404, headers });
  });
}

const viewport = { width: +width, height: +height };
await inPage({ html: HTML, folder, at: "tiles", flags: SOFTWARE_GL, viewport, prepare: serve }, async (tab) => {
  await tab.evaluate(START[kind] ?? START.deepzoom, MANIFEST[kind]);
  for (const view of views) {
    await tab.evaluate((view) => window.look(view), view);
    await tab.waitForFunction(() => window.isQuiet(), null, { timeout: 30_000 });
    // A frame more, so that what arrived last is drawn.
    await tab.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    await tab.screenshot({ path: `${out}/${view.name}.png` });
  }
});
