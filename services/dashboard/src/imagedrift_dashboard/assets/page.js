/* What the pages do beyond HTML; each works without it.
 *
 * - Times are written in the viewer's zone.
 * - "Copy" copies the query that is shown.
 * - Changed verdicts are told as they come (server-sent events). The page is then read again in the
 *   background, and values are replaced where they stand. Rows never move: where there are other rows
 *   than before, a link offers to show them.
 */
"use strict";

const REREAD_AT_MOST_EVERY_MS = 5000;
const MOST_NEWS = 5;

function writeTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const local = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    if (time.title) time.title = local;
    else time.textContent = local;
  }
}

function offerCopies(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    });
  }
}

function keys(part) {
  return [...part.querySelectorAll("[data-key]")].map((row) => row.dataset.key);
}

/* Replace the content of one part; false where its rows are others than before. */
function replaceInPlace(part, fresh) {
  const before = keys(part);
  const after = keys(fresh);
  if (before.length !== after.length || before.some((key, i) => key !== after[i])) {
    const rows = new Map([...fresh.querySelectorAll("[data-key]")].map((row) => [row.dataset.key, row]));
    for (const row of part.querySelectorAll("[data-key]")) {
      const now = rows.get(row.dataset.key);
      if (now && !row.contains(document.activeElement)) row.replaceChildren(...now.childNodes);
    }
    return false;
  }
  if (!part.contains(document.activeElement)) part.replaceChildren(...fresh.childNodes);
  return true;
}

async function reread() {
  const response = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  let isSame = true;
  for (const part of document.querySelectorAll("[data-live]")) {
    const found = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!found) continue;
    writeTimes(found);
    isSame = replaceInPlace(part, found) && isSame;
  }
  if (!isSame) offerOtherRows();
}

function offerOtherRows() {
  if (document.getElementById("other-rows")) return;
  const line = document.createElement("p");
  const link = document.createElement("a");
  line.id = "other-rows";
  link.href = location.href;
  link.textContent = "There are other rows now: show them";
  line.append(link);
  document.getElementById("news").prepend(line);
}

function tell(change) {
  const line = document.createElement("p");
  line.dataset.news = "";
  const name = document.createElement("bdi");
  name.textContent = change.reference;
  const hosts = change.hosts.toLocaleString();
  const running = change.running_hosts.toLocaleString();
  line.append(name, ` is ${change.verdict} on ${hosts} hosts now, ${running} of which run it.`);
  const news = document.getElementById("news");
  news.append(line);
  const lines = news.querySelectorAll("[data-news]");
  for (const old of [...lines].slice(0, Math.max(0, lines.length - MOST_NEWS))) old.remove();
}

function follow() {
  let last = 0;
  let waiting = null;
  const rereadSoon = () => {
    if (waiting !== null) return;
    const pause = Math.max(Math.random() * 500, last + REREAD_AT_MOST_EVERY_MS - Date.now());
    waiting = setTimeout(async () => {
      waiting = null;
      last = Date.now();
      try {
        await reread();
      } catch {
        /* away for now: the next event tries again */
      }
    }, pause);
  };
  const events = new EventSource("/events");
  events.addEventListener("changed", (event) => {
    const told = JSON.parse(event.data);
    told.changes.forEach(tell);
    rereadSoon();
  });
  addEventListener("pagehide", () => events.close());
}

writeTimes(document);
offerCopies(document);
if (document.querySelector("[data-live]")) follow();
