// Opens pages in a real browser, as people have it: light and dark, wide and narrow, with a script and without.
//
// browse.mjs --browser PROGRAM --origin URL [--credentials NAME:PASSWORD] [--shots FOLDER] NAME=PATH…
// Prints one JSON line: for every view what went wrong, and how many bytes came over the wire.
import { stat } from "node:fs/promises";
import { chromium } from "playwright-core";

const options = { browser: "", origin: "", credentials: "", shots: "" };
const pages = [];
for (let at = 2; at < process.argv.length; at += 1) {
  const argument = process.argv[at];
  if (argument.startsWith("--")) {
    options[argument.slice(2)] = process.argv[at + 1];
    at += 1;
  } else {
    const [name, ...path] = argument.split("=");
    pages.push({ name, path: path.join("=") });
  }
}

const views = [];
for (const colorScheme of ["light", "dark"]) {
  for (const [shape, viewport] of [["wide", { width: 1200, height: 800 }], ["narrow", { width: 390, height: 780 }]]) {
    views.push({ colorScheme, shape, viewport, javaScriptEnabled: true });
  }
}
views.push({ colorScheme: "light", shape: "wide", viewport: { width: 1200, height: 800 }, javaScriptEnabled: false });

const [username, ...password] = options.credentials.split(":");
const httpCredentials = username ? { username, password: password.join(":") } : undefined;

async function open(browser, { name, path }, { shape, ...view }) {
  const context = await browser.newContext({ ...view, httpCredentials });
  const page = await context.newPage();
  const wrong = [];
  let bytes = 0;
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && wrong.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`script: ${error.message}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${options.origin}/`) && !url.startsWith("data:")) wrong.push(`asks for ${url}`);
  });
  page.on("requestfailed", (request) => wrong.push(`failed: ${request.url()}`));
  const answer = await page.goto(options.origin + path, { waitUntil: "load" });
  bytes += (await answer.body()).length;
  if (answer.status() !== 200) wrong.push(`status ${answer.status()}`);
  wrong.push(...(await page.evaluate(look)));
  const theme = view.javaScriptEnabled ? view.colorScheme : "plain";
  if (options.shots && view.javaScriptEnabled && (shape === "wide" || view.colorScheme === "dark")) {
    const file = `${options.shots}/${name}-${shape}-${theme}.png`;

    await page.setViewportSize({ ...view.viewport, height: shape === "wide" ? 900 : 844 });
    await page.screenshot({ path: file });
    if ((await stat(file)).size > 150_000) wrong.push(`${file} is larger than 150 kB`);
  }
  const text = await page.evaluate(() => document.body.innerText);
  await context.close();
  return { name, path, shape, theme, wrong, bytes, text };
}

// What can be told of a page by looking at it: runs in the browser.
function look() {
  const wrong = [];
  const said = (node) => (node.getAttribute("aria-label") || node.textContent || node.title || "").trim();
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) wrong.push("scrolls sideways");
  if (document.querySelectorAll("h1").length !== 1) wrong.push("has not one h1");
  if (!document.title || !document.documentElement.lang) wrong.push("has no title or language");
  for (const node of document.querySelectorAll("a, button")) if (!said(node)) wrong.push(`nameless ${node.outerHTML.slice(0, 80)}`);
  for (const node of document.querySelectorAll("input:not([type=hidden])")) {
    if (!node.labels?.length && !node.getAttribute("aria-label")) wrong.push(`unlabelled ${node.outerHTML.slice(0, 80)}`);
  }
  for (const node of document.querySelectorAll("svg")) {
    if (!node.getAttribute("aria-label") && node.getAttribute("aria-hidden") !== "true") wrong.push("an unnamed picture");
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  if (new Set(ids).size !== ids.length) wrong.push("an id twice");
  const channel = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = (color) => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return a === 0 ? null : 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const seen = light(getComputedStyle(at).backgroundColor);
      if (seen !== null) return seen;
    }
    return 1;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility?.() || element.closest("script, style, noscript, .skip")) continue;
    const [ink, paper] = [light(getComputedStyle(element).color), behind(element)];
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (contrast < 4.5) wrong.push(`contrast ${contrast.toFixed(2)}: ${node.data.trim().slice(0, 40)}`);
  }
  return wrong;
}

const browser = await chromium.launch({
  executablePath: options.browser,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage"],
});
const seen = [];
try {
  for (const page of pages) for (const view of views) seen.push(await open(browser, page, view));
} finally {
  await browser.close();
}
console.log(JSON.stringify({ seen }));
