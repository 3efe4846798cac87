// A browser that does what it is told: a line of JSON is an order, and is answered by a line of JSON.
//
//   node dashboard.mjs URL [FOLDER]
//
// Orders, each with the name of somebody in `who`:
//
//   sign_in: {key, tenant}                        from then on `who` has a session
//   read: PATH                                    what the page shows, as `shown` below gives it
//   look: PATH, name                              what is wrong with the page, wide and narrow, light and dark, and in Chinese;
//                                                 pictures of it go into FOLDER
//   press: {on: PATH, row, button}                presses the button, in the row that has these words; every question is answered
//                                                 with yes. Answers what was asked, which calls were made, what the last one said
//                                                 if that was heard, and where it led
//   send: {from: PATH, calls: [{method, path, body}]}  what the API says to calls that a script of the page makes: statuses
//
// An order that fails is answered by {failed}.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SOFTWARE_GL, launch } from "./browser.mjs";

const [url, folder] = process.argv.slice(2);
const AXE = readFileSync(fileURLToPath(new URL("node_modules/axe-core/axe.min.js", import.meta.url)), "utf8");
const WIDE = { width: 1200, height: 900 };
const PHONE = { width: 390, height: 844 };
const LOOKS = [
  { name: "light", viewport: WIDE, colorScheme: "light", rules: null },
  { name: "dark", viewport: WIDE, colorScheme: "dark", rules: ["color-contrast"] },
  { name: "phone", viewport: PHONE, colorScheme: "light", rules: null },
];
const CHINESE = { name: "chinese", viewport: PHONE, colorScheme: "dark", rules: ["html-lang-valid", "button-name"] };
/** What is said when a page goes away under somebody's hands. */
const ANEW = /context was destroyed|interrupted by another navigation|ERR_ABORTED|axe is not defined/;
const SERIOUS = ["serious", "critical"];

const browser = await launch(SOFTWARE_GL);
const people = new Map();

/** Somebody's window, and what went wrong in it since it was last asked. */
async function windowOf(who) {
  if (people.has(who)) return people.get(who);
  const context = await browser.newContext({ viewport: WIDE, locale: "en-US" });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const person = { page, errors: [], asked: [], calls: [], answers: [] };
  await page.exposeFunction("told", (answer) => person.answers.push(answer));
  await page.addInitScript(listen);
  page.on("pageerror", (error) => person.errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && person.errors.push(message.text()));
  page.on("request", (request) => {
    const { protocol, host, pathname } = new URL(request.url());
    if (protocol.startsWith("http") && host !== new URL(url).host) person.errors.push(`asks ${request.url()}`);
    if (request.method() !== "GET") person.calls.push(`${request.method()} ${pathname}`);
  });
  page.on("response", (response) => {
    const { pathname } = new URL(response.url());
    if (response.status() >= 400) person.errors.push(`${response.status()} ${pathname}`);
  });
  page.on("dialog", (dialog) => {
    person.asked.push(dialog.message());
    return dialog.accept();
  });
  people.set(who, person);
  return person;
}

/** Runs in each page before its own scripts: tells what the API answers to a change, before the page goes on to another. */
function listen() {
  const { fetch } = window;
  window.fetch = async (path, options) => {
    const response = await fetch(path, options);
    if (options?.method) await window.told(await response.clone().json());
    return response;
  };
}

/** Opens a page and works on it, once more if it shows itself anew in between. */
async function opened(page, path, work) {
  for (let tries = 20; ; tries -= 1) {
    try {
      return await work(await page.goto(url + path));
    } catch (error) {
      if (tries === 0 || !ANEW.test(error)) throw error;
      // What interrupted it comes to its end first.
      await page.waitForTimeout(100);
    }
  }
}

/** Runs in the page: what it shows. */
function shown() {
  const text = (element) => element.textContent.replace(/\s+/g, " ").trim();
  const texts = (selector) => [...document.querySelectorAll(selector)].map(text);
  const row = (row) => ({
    cells: [...row.children].map(text),
    links: [...row.querySelectorAll("a")].map((link) => link.getAttribute("href")),
    labels: [...row.querySelectorAll("[aria-label]")].map((element) => element.getAttribute("aria-label")),
  });
  const table = (table) => ({
    head: [...table.querySelectorAll("thead th")].map(text),
    rows: [...table.querySelectorAll("tbody tr")].map(row),
  });
  return {
    heading: texts("h1").join(" "),
    nav: texts("header nav a"),
    counts: texts(".counts a"),
    notes: texts("ul.note li"),
    badges: texts("main > p .state"),
    summaries: texts("details summary"),
    tables: [...document.querySelectorAll("main table")].map(table),
    buttons: texts("button[data-path]"),
    text: text(document.querySelector("main")),
  };
}

/** Runs in the page: rules that it breaks, for those who do not see it as others do. */
async function broken([rules, serious]) {
  const only = rules ? { runOnly: { type: "rule", values: rules } } : {};
  const { violations } = await axe.run(document, { ...only, resultTypes: ["violations"] });
  return violations
    .filter(({ impact }) => serious.includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target}: ${failureSummary}`).join("; ")}`);
}

/** Every way in which the page is not as it should be. */
async function problems(page, { name: look, viewport, colorScheme, rules }, picture) {
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme });
  // What follows the window's size has done so after two frames.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  if (folder) await page.screenshot({ path: `${folder}/${picture}-${look}.png`, fullPage: true });
  const found = await page.evaluate(broken, [rules, SERIOUS]);
  const [wide, room] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
  if (wide > room) found.push(`the page is ${wide} px wide, and the window ${room}`);
  return found.map((problem) => `${look}: ${problem}`);
}

const ORDERS = {
  async sign_in({ page }, { sign_in: { key, tenant } }) {
    await page.goto(`${url}/sign-in`);
    await page.fill("input[name=key]", key);
    await page.fill("input[name=tenant]", tenant);
    await page.click("main button");
    await page.waitForURL(`${url}/`);
    return {};
  },

  async read({ page }, { read }) {
    return opened(page, read, async (answer) => ({ status: answer.status(), ...(await page.evaluate(shown)) }));
  },

  async look(person, { look, name }) {
    const { page, errors } = person;
    const found = await opened(page, look, async () => {
      if (await page.locator("#viewer").count()) {
        await page.waitForFunction(() => window.panofleet?.ready || window.panofleet?.error, null, { timeout: 60_000 });
      }
      // The page forbids scripts that stand in it; what the browser's own tools evaluate is none.
      await page.evaluate(AXE);
      const found = [];
      for (const way of LOOKS) found.push(...(await problems(page, way, name)));
      return found;
    });
    await opened(page, "/language/zh", () => {});
    found.push(...(await opened(page, look, async () => {
      await page.evaluate(AXE);
      const lang = await page.getAttribute("html", "lang");
      const other = lang === "zh-Hans" ? [] : [`in Chinese it says that it is in ${lang}`];
      return [...other, ...(await problems(page, CHINESE, name))];
    })));
    await opened(page, "/language/en", () => {});
    await page.setViewportSize(WIDE);
    await page.emulateMedia({ colorScheme: "light" });
    return { problems: [...found, ...errors] };
  },

  async press({ page, asked, calls, answers }, { press: { on, row, button } }) {
    await opened(page, on, () => {});
    asked.length = calls.length = answers.length = 0;
    const within = row ? page.locator("tr, li").filter({ hasText: row }) : page.locator("main");
    // What was done shows itself anew, or leads on. What it came to may be seen before the answer is there.
    const moved = page.waitForEvent("load");
    await Promise.all([moved, within.getByRole("button", { name: button, exact: true }).first().click()]);
    return { asked: [...asked], calls: [...calls], answer: answers.at(-1), at: new URL(page.url()).pathname };
  },

  async send({ page }, { send: { from, calls } }) {
    const send = async (calls) => {
      const statuses = [];
      for (const { method, path, body } of calls) {
        const headers = body ? { "content-type": "application/json" } : {};
        statuses.push((await fetch(path, { method, headers, body: body && JSON.stringify(body) })).status);
      }
      return statuses;
    };
    return opened(page, from, async () => ({ statuses: await page.evaluate(send, calls) }));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  const name = Object.keys(ORDERS).find((name) => name in order);
  try {
    const person = await windowOf(order.who);
    person.errors.length = 0;
    console.log(JSON.stringify(await ORDERS[name](person, order)));
  } catch (error) {
    console.log(JSON.stringify({ failed: String(error) }));
  }
}
await browser.close();
