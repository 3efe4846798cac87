// Keeps a page up to date: a job at work is waited for, a list is fetched again. And what buttons do.
"use strict";

const TROUBLE_WAIT_MS = 3000;
/** A page without news is fetched again after so long. */
const QUIET_MS = 15_000;
/** So long somebody may take back what was done. */
const UNDO_MS = 60_000;
/** A text in the language of the page. */
const say = (english, chinese) => (document.documentElement.lang.startsWith("zh") ? chinese : english);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Shows progress until the job changes in any other way; then the whole page is another. */
async function keepUp(element) {
  const { wait, version } = element.dataset;
  for (;;) {
    try {
      const response = await fetch(`${wait}?version=${version}`, { cache: "no-store" });
      if (response.status === 401) return location.reload();
      if (!response.ok) throw new Error(response.statusText);
      const job = await response.json();
      if (String(job.version) !== version) {
        location.reload();
        return;
      }
      showProgress(job.progress);
    } catch {
      await pause(TROUBLE_WAIT_MS);
    }
  }
}

function showProgress(progress) {
  const bar = document.querySelector("progress");
  if (!bar || !progress) return;
  bar.value = progress.fraction;
  document.querySelector(".step").textContent = progress.step;
  const percent = Math.round(100 * progress.fraction);
  const state = document.querySelector("h1 .state");
  state.textContent = `${state.dataset.state} ${percent} %`;
}

/** Fetches the page again whenever there is news of it, or else every so often, and shows what is new of it. */
async function refresh({ refreshS, live }) {
  const news = live ? listen(live) : null;
  for (;;) {
    await pause(1000 * Number(refreshS));
    // Ages grow: now and then it is fetched without news, too.
    if (news) await Promise.race([news(), pause(QUIET_MS)]);
    if (document.hidden) continue;
    try {
      const response = await fetch(location.href, { cache: "no-store" });
      // The session is over.
      if (response.redirected) return location.reload();
      if (!response.ok) continue;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      // Of a page with a form only what is beside it.
      const part = document.querySelector("#live") ? "#live" : "main";
      const focused = document.activeElement.closest(`${part} tbody tr`)?.querySelector("a")?.getAttribute("href");
      const undo = document.querySelector("main > .undo");
      document.querySelector(part).replaceWith(page.querySelector(part));
      if (undo) document.querySelector("main").prepend(undo);
      localTimes();
      // Who goes down the rows by keys stays where they are.
      if (focused) document.querySelector(`${part} tbody tr a[href="${CSS.escape(focused)}"]`)?.focus();
      reach();
      // What has ended says so by asking for no more.
      if (!document.querySelector("[data-refresh-s]")) return;
    } catch {
      // The next turn tries again.
    }
  }
}

/** A function that waits for the next news of a stream; without a stream, for ever. */
function listen(address) {
  let isNews = false;
  let tell = () => {};
  let source = null;
  const heard = () => {
    isNews = true;
    tell();
  };
  // A browser has six connections to a host: what nobody looks at keeps none of them.
  const follow = () => {
    source?.close();
    source = document.hidden ? null : new EventSource(address);
    source?.addEventListener("changed", heard);
  };
  document.addEventListener("visibilitychange", () => {
    follow();
    if (!document.hidden) heard();
  });
  follow();
  return async () => {
    if (!isNews) await new Promise((resolve) => (tell = resolve));
    isNews = false;
  };
}

/** Times in the reader's own zone: those that stand in the page as they are kept, and those behind an age. */
function localTimes() {
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of document.querySelectorAll("time[datetime]:not([data-local])")) {
    const local = format.format(new Date(time.dateTime));
    if (time.textContent === time.dateTime) time.textContent = local;
    time.title = `${local} (${time.dateTime})`;
    time.dataset.local = "";
  }
}

/** Offers to take back what was done just now, once. */
function offerUndo() {
  const kept = sessionStorage.getItem("undo");
  sessionStorage.removeItem("undo");
  const undo = kept && JSON.parse(kept);
  if (!undo || Date.now() > undo.until) return;
  const note = document.createElement("p");
  note.className = "note undo";
  note.setAttribute("role", "status");
  const button = document.createElement("button");
  button.textContent = say("Undo", "撤销");
  Object.assign(button.dataset, { method: undo.method, path: undo.path });
  if (undo.body) button.dataset.body = undo.body;
  note.append(say(`Done: ${undo.text}. `, `已完成：${undo.text}。`), button);
  document.querySelector("main").prepend(note);
  setTimeout(() => note.remove(), undo.until - Date.now());
}

function keepUndo(button) {
  const { undoMethod: method, undoPath: path, undoBody: body } = button.dataset;
  if (!path) return;
  const until = Date.now() + UNDO_MS;
  sessionStorage.setItem("undo", JSON.stringify({ method, path, body, text: button.textContent, until }));
}

/** Tables that move by themselves in a narrow window can be moved with keys, where nothing in them can have the focus. */
function reach() {
  for (const table of document.querySelectorAll("main table")) {
    const moves = table.scrollWidth > table.clientWidth && !table.querySelector("a, button");
    if (moves) table.tabIndex = 0;
    else table.removeAttribute("tabindex");
  }
}

async function call(method, path, body) {
  const headers = body ? { "content-type": "application/json" } : {};
  const response = await fetch(path, { method, headers, body });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail || response.statusText);
  return answer;
}

/** Whether somebody says yes to what a dry run has counted. */
async function isMeant({ method, path, body, count }) {
  const { matched } = await call(method, path, JSON.stringify({ ...JSON.parse(body), dry_run: true }));
  if (matched === 0) {
    alert(say("No job matches.", "没有符合条件的任务。"));
    return false;
  }
  const jobs = say(matched === 1 ? "1 job" : `${matched} jobs`, `${matched} 个任务`);
  return confirm(count.replace("{}", jobs));
}

/** A button calls the API, once somebody has said yes, and goes on to the page of what came of it, or shows this one anew. */
async function press(button) {
  const { method, path, body, then, confirm: question, count } = button.dataset;
  if (question && !confirm(question)) return;
  button.disabled = true;
  try {
    if (!count || (await isMeant(button.dataset))) {
      const answer = await call(method, path, body);
      keepUndo(button);
      if (then) return location.assign(then + answer.id);
      return location.reload();
    }
  } catch (error) {
    alert(error.message);
  }
  button.disabled = false;
}

/** A form calls the API with what was filled in, numbers as numbers, and shows the page anew. One that has its body only
 * puts a field behind its path. */
async function send(form) {
  const { method, path, append, body: ready } = form.dataset;
  const filled = {};
  for (const field of form.elements) {
    if (field.name && field.value) filled[field.name] = field.type === "number" ? Number(field.value) : field.value;
  }
  const address = append ? path + encodeURIComponent(filled[append]) : path;
  try {
    await call(method, address, ready || JSON.stringify(filled));
    location.reload();
  } catch (error) {
    alert(error.message);
  }
}

/** The link of the row that is so many rows below the one with the focus; of the first or last row if none has it. */
function rowLink(step) {
  const links = [...document.querySelectorAll("main tbody tr")].map((row) => row.querySelector("a")).filter(Boolean);
  const row = document.activeElement.closest("tbody tr");
  const at = row ? links.indexOf(row.querySelector("a")) + step : step > 0 ? 0 : links.length - 1;
  return links[Math.max(0, Math.min(at, links.length - 1))];
}

/** Keys: / looks for jobs, j and k go down and up the rows, r runs the job of the page again. */
function onKey(event) {
  const isTyping = event.target.closest("input, select, textarea, [contenteditable], .viewer");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.querySelector("details.search:not(.rerun)");
  const again = document.querySelector('button[data-path$="/retry"]');
  if (event.key === "/" && search) {
    search.open = true;
    const field = search.querySelector("input");
    field.focus();
    field.select();
  } else if (event.key === "/") {
    location.assign("/");
  } else if (event.key === "j" || event.key === "k") {
    rowLink(event.key === "j" ? 1 : -1)?.focus();
  } else if (event.key === "r" && again) {
    if (again.dataset.confirm || confirm(say("Run this job again?", "重新运行这个任务？"))) press(again);
  } else {
    return;
  }
  event.preventDefault();
}

reach();
addEventListener("resize", reach);
addEventListener("toggle", reach, true);
document.addEventListener("keydown", onKey);
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-path]");
  if (button) press(button);
});

document.addEventListener("submit", (event) => {
  if (!event.target.dataset.path) return;
  event.preventDefault();
  send(event.target);
});

const waiting = document.querySelector("[data-wait]");
if (waiting) keepUp(waiting);
const list = document.querySelector("[data-refresh-s]");
if (list) refresh(list.dataset);
localTimes();
offerUndo();
