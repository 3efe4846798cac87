// Opens a page of Panofleet in chromium and takes pictures of what the viewer shows.
//
//   node look.mjs URL WIDTH HEIGHT OUT_FOLDER < views.json      views: [{"name", "yaw", "pitch", "hfov"}, …]
//
// Writes OUT_FOLDER/<name>.png for each view. Prints what the page logged and asked other hosts for, as JSON;
// exits with 1 and the page's own words if the viewer does not come up.
import { readFileSync } from "node:fs";
import { SOFTWARE_GL, launch } from "./browser.mjs";

const [url, width, height, folder] = process.argv.slice(2);
const views = JSON.parse(readFileSync(0, "utf8"));
const browser = await launch(SOFTWARE_GL);
const page = await browser.newPage({ viewport: { width: 1000, height: 900 } });
const errors = [];
const strangers = [];
page.on("pageerror", (error) => errors.push(String(error)));
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
page.on("request", (request) => {
  const { protocol, host } = new URL(request.url());
  if (protocol.startsWith("http") && host !== new URL(url).host) strangers.push(request.url());
});
try {
  await page.goto(url);
  await page.waitForFunction(() => window.panofleet?.ready || window.panofleet?.error, null, { timeout: 60_000 });
  const failed = await page.evaluate(() => window.panofleet.error);
  if (failed) throw new Error(failed);
  // The picture alone, at the size that it is compared at. By properties: the page forbids inline styles.
  await page.evaluate(
    ([width, height]) => {
      const alone = {
        position: "fixed", inset: "0 auto auto 0", zIndex: 9999, width: `${width}px`, height: `${height}px`,
        maxWidth: "none", maxHeight: "none", minHeight: 0, border: 0, borderRadius: 0, margin: 0,
      };
      Object.assign(document.getElementById("viewer").style, alone);
    },
    [width, height],
  );
  await page.evaluate(() => window.dispatchEvent(new Event("resize")));
  await page.evaluate(() => window.panofleet.settled());
  for (const { name, yaw, pitch, hfov } of views) {
    await page.evaluate(([yaw, pitch, hfov]) => window.panofleet.lookAt(yaw, pitch, hfov), [yaw, pitch, hfov]);
    await page.evaluate(() => window.panofleet.settled());
    await page.screenshot({ path: `${folder}/${name}.png`, clip: { x: 0, y: 0, width: +width, height: +height } });
  }
  console.log(JSON.stringify({ errors, strangers }));
} catch (error) {
  console.log(JSON.stringify({ errors: [...errors, String(error)], strangers }));
  process.exitCode = 1;
} finally {
  await browser.close();
}
