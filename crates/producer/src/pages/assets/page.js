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
      // What has ended says so by asking for no more.
      if (!document.querySelector("[data-refresh-s]")) return;
    } catch {
      // The next turn tries again.
    }
  }
}

/** A button calls the API, once somebody has said yes, and goes on to the page of what came of it, or shows this one anew. */
async function press(button) {
  const { method, path, body, then, confirm: question } = button.dataset;
  if (question && !confirm(question)) return;
  button.disabled = true;
  try {
    const headers = body ? { "content-type": "application/json" } : {};
    const response = await fetch(path, { method, headers, body });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail || response.statusText);
    if (then) location.assign(then + answer.id);
    else location.reload();
  } catch (error) {
    alert(error.message);
    button.disabled = false;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-path]");
  if (button) press(button);
});

const waiting = document.querySelector("[data-wait]");
if (waiting) keepUp(waiting);
const list = document.querySelector("[data-refresh-s]");
if (list) refresh(1000 * Number(list.dataset.refreshS));
