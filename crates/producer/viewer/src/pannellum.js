// Pannellum over the same tiles: config.json is its own configuration.
import "pannellum/build/pannellum.css";
import "pannellum/build/pannellum.js";
import { manifest, open } from "./page.js";

// It does not say when it waits for tiles: quiet is when none has arrived for this long.
const TILE_WAIT_MS = 500;

let arrivedAt = performance.now();
new PerformanceObserver(() => {
  arrivedAt = performance.now();
}).observe({ type: "resource" });

open(async (asked) => {
  const config = await manifest(asked.config);
  const given = (name) => (asked[name] === undefined ? {} : { [name]: asked[name] });
  const viewer = window.pannellum.viewer(asked.element, {
    ...config,
    basePath: asked.folder.replace(/\/$/, ""),
    ...given("yaw"),
    ...given("pitch"),
    ...given("hfov"),
    minHfov: 10,
    autoLoad: true,
    showControls: !asked.embed,
    disableKeyboardCtrl: false,
    // Hints and credits would lie over the picture.
    compass: false,
  });
  // A tiled panorama is loaded before the call returns; its event has passed.
  await new Promise((resolve, reject) => {
    if (viewer.isLoaded()) resolve();
    viewer.on("load", resolve);
    viewer.on("error", (message) => reject(new Error(message)));
  });
  const lookAt = (yaw, pitch, hfov) => {
    arrivedAt = performance.now();
    viewer.lookAt(pitch, yaw, hfov ?? viewer.getHfov(), false);
  };
  const isLoading = () => performance.now() - arrivedAt < TILE_WAIT_MS;
  return { viewer, lookAt, isLoading };
});
