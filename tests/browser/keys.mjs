// Goes over the pages of Panofleet with keys and buttons, as somebody at a keyboard does.
//
//   node keys.mjs URL JOB
//
// JOB is a dead one, the only one with the label who:me that has ended; others wait. Prints what was seen at each step, as
// JSON; exits with 1 and what went wrong if a step does not come about.
import { launch } from "./browser.mjs";

const [url, job] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1000, height: 900 } });
page.setDefaultTimeout(30_000);
const seen = { errors: [], asked: [] };
page.on("pageerror", (error) => seen.errors.push(error.message));
page.on("dialog", (dialog) => {
  seen.asked.push(dialog.message());
  return dialog.accept();
});

/** Waits until the API says so of a job. */
async function until(id, isSo) {
  for (const begun = Date.now(); ; await page.waitForTimeout(50)) {
    const answer = await fetch(`${url}/v1/jobs/${id}`);
    if (isSo(await answer.json())) return;
    if (Date.now() - begun > 30_000) throw new Error(`job ${id} is not as it should be`);
  }
}

/** Opens a page; one that is about to show itself anew may come in between. */
async function open(path) {
  for (let tries = 20; ; tries -= 1) {
    try {
      await page.goto(url + path);
      // A page that showed itself anew at the same moment may have come in its place.
      if (page.url() === url + path) return;
      throw new Error(`it is at ${page.url()}`);
    } catch (error) {
      if (tries === 0) throw error;
    }
  }
}

try {
  await open("/?label=who%3Ame");
  await page.keyboard.press("/");
  seen.typing = await page.evaluate(() => document.activeElement.name);
  await page.keyboard.type("jk/r");
  seen.typed = await page.evaluate(() => document.activeElement.value);
  await open("/?label=who%3Ame&state=dead");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/view/${job}`);
  await page.keyboard.press("r");
  await until(job, ({ generation }) => generation === 2);

  await open("/?label=who%3Ame&state=waiting");
  const [, first] = await page.locator("main tbody a").first().getAttribute("href").then((path) => path.split("/view/"));
  await page.getByRole("button", { name: "Move to high" }).click();
  await page.waitForURL("**/bulk/*");
  await until(first, ({ priority }) => priority === "high");
  await open(`/view/${first}`);
  seen.bands = await page.locator("button[data-method=PATCH]").allTextContents();
  await page.getByRole("button", { name: "Move to low" }).click();
  await page.waitForFunction(() => [...document.querySelectorAll("button")].some((button) => button.textContent === "Move to high"));
  await page.getByRole("button", { name: "Delete" }).click();
  await page.waitForFunction(() => !document.querySelector("button[data-method=DELETE]"));
  seen.deleted = await page.locator("main").textContent();
} catch (error) {
  seen.errors.push(String(error));
}
console.log(JSON.stringify(seen));
await browser.close();
process.exit(seen.errors.length > 0 ? 1 : 0);
