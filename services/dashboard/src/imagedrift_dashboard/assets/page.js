/* What the pages do beyond HTML; each works without it.
 *
 * - Times are written in the viewer's zone, and ages grow while the page is open.
 * - "Copy" copies the query that is shown.
 * - Changed verdicts are told as they come (server-sent events), while the page is seen. The page is
 *   then read again in the background, and values are replaced where they stand. Rows never move:
 *   where there are other rows than before, a link offers to show them.
 */
"use strict";

const REREAD_AT_MOST_EVERY_MS = 5000;
const AGES_EVERY_MS = 30_000;
const REREAD_WITHOUT_NEWS_MS = 300_000;
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

/* Write how long ago a moment was, as the service does: in its two largest units. */
function ageOf(apart) {
  const seconds = Math.floor(Math.abs(apart) / 1000);
  if (seconds < 1) return "now";
  const units = { d: seconds / 86400, h: (seconds / 3600) % 24, min: (seconds / 60) % 60 };
  const told = Object.entries(units).map(([unit, n]) => [Math.floor(n), unit]).filter(([n]) => n);
  const span = told.slice(0, 2).map((each) => each.join(" ")).join(" ") || `${seconds} s`;
  return apart > 0 ? `${span} ago` : `in ${span}`;
}

/* How much the service's clock, by which ages are told, is ahead of this one. */
const aheadMs = Date.parse(document.querySelector("main").dataset.now) - Date.now() || 0;

function writeAges() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const age = ageOf(Date.now() + aheadMs - new Date(time.dateTime).getTime());
    const place = time.title ? time : time.nextElementSibling;
    const text = time.title ? age : `(${age})`;
    if (place && place.textContent !== text) place.textContent = text;
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

/* Make one node like another. Only what differs is touched: focus, selection and scrolling stay. */
function morph(node, fresh) {
  if (node.isEqualNode(fresh)) return;
  if (node.nodeName !== fresh.nodeName) {
    node.replaceWith(fresh);
    return;
  }
  if (node.nodeType !== Node.ELEMENT_NODE) {
    node.data = fresh.data;
    return;
  }
  for (const { name } of [...node.attributes]) {
    if (!fresh.hasAttribute(name)) node.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) node.setAttribute(name, value);
  morphChildren(node, fresh);
}

function morphChildren(node, fresh) {
  const before = [...node.childNodes];
  const after = [...fresh.childNodes];
  before.forEach((child, i) => (i < after.length ? morph(child, after[i]) : child.remove()));
  node.append(...after.slice(before.length));
}

/* Renew the values of one part; false where its rows are others than before. */
function renew(part, fresh) {
  const before = keys(part);
  const after = keys(fresh);
  if (before.length === after.length && before.every((key, i) => key === after[i])) {
    morphChildren(part, fresh);
    return true;
  }
  const rows = new Map([...fresh.querySelectorAll("[data-key]")].map((row) => [row.dataset.key, row]));
  for (const row of part.querySelectorAll("[data-key]")) {
    const now = rows.get(row.dataset.key);
    if (now) morphChildren(row, now);
  }
  return false;
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
    isSame = renew(part, found) && isSame;
  }
  if (!isSame) offerOtherRows();
}

/* News stand below the page and over its end: what is read does not move. */
function addNews(line) {
  const news = document.getElementById("news");
  if (!news.firstChild) {
    const hide = document.createElement("button");
    hide.type = "button";
    hide.textContent = "Hide";
    hide.addEventListener("click", () => news.replaceChildren());
    news.append(hide);
  }
  news.append(line);
}

function offer(id, text) {
  if (document.getElementById(id)) return;
  const line = document.createElement("p");
  const link = document.createElement("a");
  line.id = id;
  link.href = location.href;
  link.textContent = text;
  line.append(link);
  addNews(line);
}

function offerOtherRows() {
  offer("other-rows", "There are other rows now: show them");
}

/* The service refuses to tell more: the session has ended, or too many pages are open. */
function offerAgain() {
  offer("again", "Changes are no longer told here: show the page anew");
}

function tell(change) {
  const line = document.createElement("p");
  line.dataset.news = "";
  const name = document.createElement("bdi");
  name.textContent = change.reference;
  const hosts = change.hosts.toLocaleString();
  const running = change.running_hosts.toLocaleString();
  line.append(name, ` is ${change.verdict} on ${hosts} hosts now, ${running} of which run it.`);
  addNews(line);
  const lines = document.querySelectorAll("[data-news]");
  for (const old of [...lines].slice(0, Math.max(0, lines.length - MOST_NEWS))) old.remove();
}

/* Follow the changes while the page is seen: a browser has six connections for all of its tabs. */
function follow() {
  let last = 0;
  let readAt = Date.now();
  let waiting = null;
  let events = null;
  let hasMissed = false;
  const rereadSoon = () => {
    if (waiting !== null) return;
    const pause = Math.max(Math.random() * 500, last + REREAD_AT_MOST_EVERY_MS - Date.now());
    waiting = setTimeout(async () => {
      waiting = null;
      last = readAt = Date.now();
      try {
        await reread();
      } catch {
        /* away for now: the next event tries again */
      }
    }, pause);
  };
  const open = () => {
    if (events) return;
    events = new EventSource("/events");
    events.addEventListener("open", () => {
      if (hasMissed) rereadSoon();
      hasMissed = true;
    });
    events.addEventListener("error", () => {
      if (events?.readyState === EventSource.CLOSED) offerAgain();
    });
    events.addEventListener("changed", (event) => {
      JSON.parse(event.data).changes.forEach(tell);
      rereadSoon();
    });
  };
  const close = () => {
    events?.close();
    events = null;
  };
  setInterval(() => {
    if (events && Date.now() - readAt >= REREAD_WITHOUT_NEWS_MS) rereadSoon();
  }, AGES_EVERY_MS);
  const openWhileSeen = () => (document.visibilityState === "visible" ? open() : close());
  document.addEventListener("visibilitychange", openWhileSeen);
  addEventListener("pageshow", openWhileSeen);
  addEventListener("pagehide", close);
}

writeTimes(document);
offerCopies(document);
setInterval(writeAges, AGES_EVERY_MS);
if (document.querySelector("[data-live]")) follow();
