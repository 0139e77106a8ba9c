// Looks at pages of oauthctl in a real browser: node look.mjs BROWSER DIRECTORY. Every *.html in the directory is opened
// in dark and light; screenshots and PDF are left beside it. Ends with 1 and a line for each thing that is wrong.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const [browserPath, directory] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const wrong = [];

function check(where, what, test) {
  try {
    test();
  } catch (error) {
    wrong.push(`${where}: ${what}: ${error.message}`);
  }
}

// A page, with everything that it asks for and complains about.
async function open(browser, file, scheme) {
  const page = await browser.newPage();
  const seen = { requests: [], complaints: [], dialogs: [] };
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("console", (message) => seen.complaints.push(message.text()));
  page.on("pageerror", (error) => seen.complaints.push(error.message));
  page.on("dialog", (dialog) => {
    seen.dialogs.push(dialog.message());
    dialog.dismiss();
  });
  await page.setViewport({ width: 1200, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(pathToFileURL(file).href, { waitUntil: "networkidle0" });
  return { page, seen };
}

// Only the page itself was asked for, nothing complained, and nothing was executed.
function quiet(where, file, seen) {
  check(where, "requests", () => assert.deepEqual(seen.requests, [pathToFileURL(file).href]));
  check(where, "complaints", () => assert.deepEqual(seen.complaints, []));
  check(where, "dialogs", () => assert.deepEqual(seen.dialogs, []));
}

async function inert(where, page) {
  const found = await page.evaluate(() => ({
    foreign: Array.from(document.querySelectorAll("img, iframe, object, embed, link, base, a:not([href^='#'])"), (one) => one.outerHTML),
    handlers: Array.from(document.querySelectorAll("*")).flatMap((one) =>
      Array.from(one.attributes, (attribute) => attribute.name).filter((name) => name.startsWith("on") || name === "style")),
    scripts: document.scripts.length,
    pwned: "pwned" in window,
  }));
  check(where, "foreign elements", () => assert.deepEqual(found.foreign, []));
  check(where, "attributes", () => assert.deepEqual(found.handlers, []));
  check(where, "scripts", () => assert.ok(found.scripts <= 1));
  check(where, "executed", () => assert.equal(found.pwned, false));
}

async function accessible(where, page) {
  // Through the debugger: the policy of the page forbids a script that it does not know.
  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, help, nodes } of result.violations) wrong.push(`${where}: axe ${id}: ${help}: ${nodes[0].html}`);
  const contrast = result.passes.find(({ id }) => id === "color-contrast");
  check(where, "contrast", () => assert.ok(contrast, "axe did not measure it"));
  const incomplete = result.incomplete.filter(({ id }) => id === "color-contrast").flatMap(({ nodes }) => nodes);
  // A sign is no text to axe; the name beside it has its colour.
  const unsure = incomplete.filter(({ any }) => !any.every(({ data }) => ["shortTextContent", "nonBmp"].includes(data?.messageKey)));
  check(where, "contrast that axe cannot tell", () => assert.deepEqual(unsure.map(({ html }) => html), []));
}

// Nothing hangs over the edge of a narrow screen: wide tables scroll in themselves.
async function narrow(where, page) {
  await page.setViewport({ width: 400, height: 800 });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(where, "narrow", () => assert.ok(over <= 0, `${over} pixels too wide`));
  await page.setViewport({ width: 1200, height: 900 });
}

const shown = (page) => page.$$eval(".step", (steps) => steps.filter((step) => !step.hidden).map((step) => step.dataset.action));
const all = (page) => page.$$eval(".step", (steps) => steps.map((step) => step.dataset.action));

// The filters, by keyboard alone.
async function filters(where, page) {
  if (!(await page.$("#filters"))) return;
  const steps = await all(page);
  const reached = [];
  for (let presses = 0; presses < 30; presses += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const one = document.activeElement;
      const outline = getComputedStyle(one).outlineStyle;
      return one.closest("#filters") ? { name: one.id || one.value || one.type, outline } : null;
    });
    if (!at) continue;
    reached.push(at.name);
    check(where, `focus on ${at.name} is seen`, () => assert.notEqual(at.outline, "none"));
    if (at.name === "delete") {
      await page.keyboard.press("Space");
      const left = await shown(page);
      check(where, "filter by action", () => assert.deepEqual(left, steps.filter((action) => action !== "delete")));
      await page.keyboard.press("Space");
    }
    if (at.name === "search") {
      await page.keyboard.type("SHOP");
      const count = (await shown(page)).length;
      check(where, "filter by text", () => assert.ok(count > 0 && count < steps.length, `${count} of ${steps.length}`));
      const said = await page.$eval("#shown", (one) => one.textContent);
      check(where, "the count", () => assert.equal(said, `${count} of ${steps.length} shown`));
    }
    if (at.name === "reset") {
      await page.keyboard.press("Enter");
      await page.waitForFunction((many) => document.getElementById("shown").textContent.startsWith(`${many} of`), {}, steps.length);
      break;
    }
  }
  const wanted = [...new Set(steps), "breaking", "search", "reset"];
  check(where, "keyboard", () => assert.deepEqual(wanted.filter((name) => !reached.includes(name)), []));
}

const browser = await puppeteer.launch({
  executablePath: browserPath,
  // Root may not use the sandbox, and the pages are ours.
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
const files = readdirSync(directory).filter((name) => name.endsWith(".html"));
assert.ok(files.length > 0, `no page in ${directory}`);
for (const name of files) {
  const file = path.resolve(directory, name);
  for (const scheme of ["light", "dark"]) {
    const where = `${name} (${scheme})`;
    const { page, seen } = await open(browser, file, scheme);
    await inert(where, page);
    await filters(where, page);
    await narrow(where, page);
    quiet(where, file, seen);
    await page.screenshot({ path: path.join(directory, `${name}.${scheme}.png`), fullPage: true });
    if (scheme === "light") await page.pdf({ path: path.join(directory, `${name}.pdf`) });
    await accessible(where, page);
    await page.close();
  }
}
await browser.close();
for (const line of wrong) console.log(line);
console.log(`${files.length} pages, ${wrong.length} things wrong`);
process.exitCode = wrong.length > 0 ? 1 : 0;
