// Keeps a page up to date: a job at work is waited for, a list is fetched again. And what buttons do.
"use strict";

const TROUBLE_WAIT_MS = 3000;
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
  document.querySelector("h1 .state").textContent = `running ${percent} %`;
}

async function refresh(everyMs) {
  for (;;) {
    await pause(everyMs);
    if (document.hidden) continue;
    try {
      const response = await fetch(location.href, { cache: "no-store" });
      // The session is over.
      if (response.redirected) return location.reload();
      if (!response.ok) continue;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      // Of a page with a form only what is beside it.
      const part = document.querySelector("#live") ? "#live" : "main";
      document.querySelector(part).replaceWith(page.querySelector(part));
      reach();
      // What has ended says so by asking for no more.
      if (!document.querySelector("[data-refresh-s]")) return;
    } catch {
      // The next turn tries again.
    }
  }
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
    alert("No job matches.");
    return false;
  }
  return confirm(count.replace("{}", matched === 1 ? "1 job" : `${matched} jobs`));
}

/** A button calls the API, once somebody has said yes, and goes on to the page of what came of it, or shows this one anew. */
async function press(button) {
  const { method, path, body, then, confirm: question, count } = button.dataset;
  if (question && !confirm(question)) return;
  button.disabled = true;
  try {
    if (!count || (await isMeant(button.dataset))) {
      const answer = await call(method, path, body);
      if (then) return location.assign(then + answer.id);
      return location.reload();
    }
  } catch (error) {
    alert(error.message);
  }
  button.disabled = false;
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
  const search = document.querySelector("details.search");
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
    if (again.dataset.confirm || confirm("Run this job again?")) press(again);
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

const waiting = document.querySelector("[data-wait]");
if (waiting) keepUp(waiting);
const list = document.querySelector("[data-refresh-s]");
if (list) refresh(1000 * Number(list.dataset.refreshS));
