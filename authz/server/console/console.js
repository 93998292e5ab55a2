"use strict";
// Made with textContent alone: what a client has sent is never read as markup.

const $ = (id) => document.getElementById(id);
const SECTIONS = ["decisions", "routes", "try", "sources"];
const EVERY_MS = 2000;
const LATE_MS = 1000; // one worker may tell of a decision so long after another told of a later one
const KEPT = 1000; // decisions; as many as an authorizer keeps

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== ""));
  return element;
}

async function ask(path, options) {
  const response = await fetch(path, options);
  const found = await response.json();
  if (!response.ok) throw new Error(found.error ?? `${response.status} of ${path}`);
  return found;
}

function pairs(entries) {
  const list = make("dl");
  for (const [name, value] of entries) {
    if (value !== undefined && value !== "") list.append(make("dt", {}, name), make("dd", {}, value));
  }
  return list;
}

// Whether somebody is copying what a change would take away.
const selecting = () => !getSelection().isCollapsed;

const shown = {};

function isNew(name, found) {
  const text = JSON.stringify(found);
  const is = shown[name] !== text;
  shown[name] = text;
  return is;
}

// --- decisions

let decisions = [];
let opened = "";

const keyOf = (one) => `${one.at} ${one.id} ${one.method} ${one.host}${one.path} ${one.reason}`;

const haystack = (one) =>
  `${one.id} ${one.method} ${one.host}${one.path} ${one.rule} ${one.reason} ${one.status} ${one.trace}`.toLowerCase();

function tone(status) {
  return status < 300 ? "good" : status >= 500 ? "warn" : status < 400 ? "quiet" : "bad";
}

function verdict(one) {
  const word = one.status < 300 ? "allowed" : one.status < 400 ? "to sign in" : "refused";
  return make("span", { class: `badge ${tone(one.status)}` }, `${one.status} ${word}`);
}

function details(one) {
  return make("td", { colspan: 5 },
    one.text,
    pairs([
      ["note", one.note], ["request id", one.id], ["trace", one.trace],
      ["took", `${one.ms} ms`], ["rule", one.rule || "none matches"],
    ]),
    make("button", { class: "small", type: "button", onclick: () => retry(one) }, "Try it again with a token"));
}

function retry(one) {
  $("method").value = one.method;
  $("url").value = `https://${one.host}${one.path}`;
  location.hash = "try";
}

function showDecisions() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const focused = document.activeElement?.dataset.key;
  const matching = decisions.filter((one) =>
    !($("denied").checked && one.allowed) && words.every((word) => haystack(one).includes(word)));
  $("rows").replaceChildren(...matching.slice(0, 200).flatMap((one) => {
    const key = keyOf(one);
    const time = one.at.slice(11, 23);
    const open = () => { opened = opened === key ? "" : key; showDecisions(); };
    const button = make("button", {
      class: "open", type: "button", "data-key": key, "aria-expanded": String(opened === key),
      "aria-label": `${time}, details of ${one.method} ${one.host}${one.path}`,
      onclick: (event) => { event.stopPropagation(); open(); },
    }, time);
    const row = make("tr", { class: "row", onclick: () => { if (!selecting()) open(); } },
      make("td", { class: "mono" }, button),
      make("td", {}, verdict(one)),
      make("td", {}, make("code", {}, `${one.method} ${one.host}${one.path}`)),
      make("td", {}, one.reason),
      make("td", {}, one.rule || make("span", { class: "quiet" }, "none")));
    return opened === key ? [row, make("tr", { class: "more" }, details(one))] : [row];
  }));
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  $("count").textContent = `${Math.min(matching.length, 200)} of ${decisions.length} kept`;
  $("nothing").hidden = decisions.length > 0;
  $("no-match").hidden = decisions.length === 0 || matching.length > 0;
}

async function readDecisions() {
  if ($("paused").checked) return;
  const after = decisions.length ? new Date(Date.parse(decisions[0].at) - LATE_MS).toISOString() : "";
  const found = await ask(`decisions?after=${encodeURIComponent(after)}`);
  const known = new Set(decisions.map(keyOf));
  const added = found.filter((one) => !known.has(keyOf(one)));
  if (!added.length && decisions.length) return;
  decisions = [...added, ...decisions].sort((one, other) => (one.at < other.at ? 1 : -1)).slice(0, KEPT);
  showDecisions();
}

// --- routes

async function readRoutes() {
  const wanted = $("wanted").value;
  const found = await ask(`rules?q=${encodeURIComponent(wanted.trim())}`);
  if (wanted !== $("wanted").value || !isNew("routes", found)) return;
  $("hosts-count").textContent = `${found.hosts.length} of ${found.count} hosts`;
  $("problems").replaceChildren(...found.problems.map((problem) => make("li", {}, problem)));
  $("hosts").replaceChildren(...found.hosts.flatMap((host) => [
    make("h2", {}, host.name, host.waits ? make("span", { class: "warn" }, " an edit waits for the controller") : ""),
    host.rules.length === 0
      ? make("p", { class: "bad" }, "Every request is refused: its APIRule is not valid.")
      : make("table", { class: "routes" },
        make("thead", {}, make("tr", {}, ...["#", "Methods", "Path", "Who passes", "Rule"].map((name) => make("th", {}, name)))),
        make("tbody", {}, ...host.rules.map((rule, index) => make("tr", {},
          make("td", { class: "quiet" }, String(index + 1)),
          make("td", { class: "mono" }, rule.methods.join(" ")),
          make("td", {}, make("code", {}, rule.path)),
          make("td", { class: rule.access === "public" ? "warn" : "" },
            rule.access === "public" ? "everyone" : rule.access,
            rule.scopes.length ? make("span", { class: "quiet" }, ` with ${rule.scopes.join(" ")}`) : ""),
          make("td", {}, rule.name))))),
  ]));
}

// --- would this be allowed?

function part(text) {
  const bytes = Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}

function moment(name, seconds) {
  if (typeof seconds !== "number") return undefined;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return `${seconds}, which is no time`;
  const away = Math.round(seconds - Date.now() / 1000);
  const text = `${date.toISOString().slice(0, 19)}Z, ${Math.abs(away)} s ${away < 0 ? "ago" : "from now"}`;
  const wrong = (name === "exp" && away < 0) || (name === "nbf" && away > 0);
  return make("span", { class: wrong ? "bad" : "" }, text);
}

function showToken() {
  const token = bearer();
  const box = $("decoded");
  if (!token) return box.replaceChildren();
  const [head, body] = token.split(".");
  try {
    const header = part(head), claims = part(body);
    box.replaceChildren(make("div", { class: "card" },
      make("h2", {}, "The token says"),
      make("p", { class: "quiet" }, "Whether that is true only the authorizer can tell."),
      pairs([
        ["issuer", String(claims.iss ?? "none")], ["subject", String(claims.sub ?? "none")],
        ["audience", [claims.aud ?? "none"].flat().join(" ")],
        ["scopes", String(claims.scope ?? claims.scp ?? claims.scopes ?? "none")],
        ["expires", moment("exp", claims.exp) ?? "never: it is refused"], ["not before", moment("nbf", claims.nbf)],
        ["signed with", `${header.alg} key ${header.kid ?? "without a name"}`],
      ]),
      make("pre", {}, JSON.stringify(claims, null, 2))));
  } catch {
    box.replaceChildren(make("p", { class: "quiet" }, "It is no JWT: an opaque token, about which its issuer is asked."));
  }
}

const bearer = () => $("token").value.trim().replace(/^bearer\s+/i, "");

function question() {
  const headers = {};
  for (const line of $("headers").value.split("\n")) {
    const at = line.indexOf(":");
    if (at > 0) headers[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  if (bearer()) headers.authorization = `Bearer ${bearer()}`;
  return { method: $("method").value, url: $("url").value.trim(), headers };
}

function showAnswer(found) {
  const rules = found.rules.map((rule) => make("li", { class: rule.why.includes("decides") ? "decides" : "quiet" },
    make("code", {}, rule.what), ` ${rule.name} ${rule.why}`));
  $("answer").replaceChildren(make("div", { class: "card" },
    make("h2", {}, verdict(found), ` ${found.reason}`),
    found.text,
    pairs([
      ["scopes that would do", found.scopes.join(" ")], ["note", found.note], ["but", found.elsewhere],
      ...Object.entries(found.headers).map(([name, value]) => [`passes on ${name}`, value]),
    ]),
    rules.length ? make("h2", {}, "Rules of this host, in order") : "",
    make("ol", { class: "rules" }, ...rules)));
}

async function explain(event) {
  event.preventDefault();
  try {
    showAnswer(await ask("explain", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(question()),
    }));
  } catch (error) {
    $("answer").replaceChildren(make("p", { class: "bad" }, error.message));
  }
}

// --- sources

function lasting(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function health(one) {
  if (one.shut || one.error) {
    const badge = one.shut ? ["bad", "left alone, for it fails"] : ["warn", "fails"];
    return [make("span", { class: `badge ${badge[0]}` }, badge[1]), make("span", { class: "said" }, one.error)];
  }
  return one.age_s < 0
    ? [make("span", { class: "quiet" }, "not asked yet")]
    : [make("span", { class: "badge good" }, "answers")];
}

async function readSources() {
  const found = await ask("sources");
  $("no-source").hidden = found.length > 0;
  $("source-rows").replaceChildren(...found.map((one) => make("tr", {},
    make("td", {}, ...one.name.split(" ").map((url, at) => make("code", { class: at ? "quiet" : "" }, url))),
    make("td", {}, one.kind),
    make("td", {}, ...health(one)),
    make("td", {}, one.age_s < 0 ? "none" : `${lasting(one.age_s)} ago`),
    make("td", { class: one.left_s === 0 ? "bad" : "" }, one.left_s === 0 ? "nothing" : lasting(one.left_s)),
    make("td", {}, Object.entries(one.calls).filter(([, n]) => n).map(([name, n]) => `${name} ${n}`).join(", ")))));
}

// --- all of it

const readers = { decisions: readDecisions, routes: readRoutes, try: async () => {}, sources: readSources };

async function readState() {
  const response = await fetch("readyz");
  $("ready").textContent = response.ok ? "ready" : "not ready";
  $("ready").className = response.ok ? "good" : "bad";
}

const chosen = () => (SECTIONS.includes(location.hash.slice(1)) ? location.hash.slice(1) : SECTIONS[0]);

async function refresh() {
  try {
    await readState();
    await readers[chosen()]();
  } catch (error) {
    $("ready").textContent = `no answer: ${error.message}`;
    $("ready").className = "bad";
  }
}

function choose() {
  for (const name of SECTIONS) {
    $(name).hidden = name !== chosen();
    document.querySelector(`a[href="#${name}"]`).setAttribute("aria-current", name === chosen() ? "page" : "false");
  }
  refresh();
}

for (const id of ["filter", "denied"]) $(id).addEventListener("input", showDecisions);
for (const form of document.querySelectorAll(".bar")) form.addEventListener("submit", (event) => event.preventDefault());
$("wanted").addEventListener("input", () => refresh());
$("token").addEventListener("input", showToken);
$("question").addEventListener("submit", explain);
addEventListener("hashchange", () => { choose(); scrollTo(0, 0); });
ask("version").then((found) => { $("version").textContent = found.version; }, () => {});
choose();
setInterval(() => { if (!document.hidden && !selecting()) refresh(); }, EVERY_MS);
