// Photo Sphere Viewer over the tiles: psv.json holds its options, but for the function that names a tile.
import { Viewer } from "@photo-sphere-viewer/core";
import { CubemapAdapter } from "@photo-sphere-viewer/cubemap-adapter";
import { CubemapTilesAdapter } from "@photo-sphere-viewer/cubemap-tiles-adapter";
import { EquirectangularTilesAdapter } from "@photo-sphere-viewer/equirectangular-tiles-adapter";
import { VisibleRangePlugin } from "@photo-sphere-viewer/visible-range-plugin";
import "@photo-sphere-viewer/core/index.css";
import { manifest, open } from "./page.js";

const FOV_MIN_DEG = 10;
const FOV_MAX_DEG = 120;
const HFOV_DEG = 90;

const ADAPTERS = {
  "cubemap-tiles": CubemapTilesAdapter,
  cubemap: CubemapAdapter,
  // The base picture is the same one, smaller; blurred it would only look worse.
  "equirectangular-tiles": [EquirectangularTilesAdapter, { baseBlur: false }],
};
const PENDING = 1;

/** Prepends the folder to the paths of a cube map. */
function placed(faces, folder) {
  const paths = Object.entries(faces.paths).map(([face, path]) => [face, folder + path]);
  return { ...faces, paths: Object.fromEntries(paths) };
}

function panorama(config, folder) {
  if (config.adapter === "cubemap") return placed(config.panorama, folder);
  const url = (words) => folder + config.tileUrl.replace(/\{(\w+)\}/g, (_, word) => words[word]);
  if (config.adapter === "equirectangular-tiles") {
    const tileUrl = (col, row, level) => url({ level: config.tileLevels[level], row, col });
    return { ...config.panorama, baseUrl: folder + config.panorama.baseUrl, tileUrl };
  }
  const tileUrl = (face, col, row, level) =>
    url({ level: config.tileLevels[level], face: config.faceLetters[face], row, col });
  return { ...config.panorama, baseUrl: placed(config.panorama.baseUrl, folder), tileUrl };
}

const degrees = (angle, otherwise) => (angle === undefined ? otherwise : `${angle}deg`);

open(async (asked) => {
  const config = await manifest(asked.config);
  const adapter = ADAPTERS[config.adapter];
  if (!adapter) throw new Error(`psv.json asks for the unknown adapter ${config.adapter}`);
  const viewer = new Viewer({
    container: asked.element,
    adapter,
    panorama: panorama(config, asked.folder),
    plugins: config.visibleRange ? [VisibleRangePlugin.withConfig(config.visibleRange)] : [],
    defaultYaw: degrees(asked.yaw, config.defaultYaw),
    defaultPitch: degrees(asked.pitch, config.defaultPitch),
    defaultTransition: null,
    minFov: FOV_MIN_DEG,
    maxFov: FOV_MAX_DEG,
    navbar: asked.embed ? false : ["zoom", "move", "fullscreen"],
    mousewheelCtrlKey: false,
    loadingTxt: "",
  });
  await new Promise((resolve, reject) => {
    viewer.addEventListener("ready", resolve, { once: true });
    viewer.addEventListener("panorama-error", ({ error }) => reject(error), { once: true });
  });

  // The viewer's own conversion rounds the zoom to a whole per cent.
  const zoomTo = (hfov) => {
    const vfov = viewer.dataHelper.hFovToVFov(hfov);
    viewer.zoom((100 * (FOV_MAX_DEG - vfov)) / (FOV_MAX_DEG - FOV_MIN_DEG));
  };
  const lookAt = (yaw, pitch, hfov) => {
    viewer.rotate({ yaw: `${yaw}deg`, pitch: `${pitch}deg` });
    if (hfov !== undefined) zoomTo(hfov);
  };
  zoomTo(asked.hfov ?? HFOV_DEG);
  const isLoading = () => {
    const { tasks = {}, runningTasks = {} } = viewer.adapter.queue ?? {};
    const pending = Object.values(tasks).some((task) => task.status === PENDING);
    return pending || Object.keys(runningTasks).length > 0;
  };
  return { viewer, lookAt, isLoading };
});
