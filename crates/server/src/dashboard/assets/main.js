// Starts the page: the stream of events feeds the panels; the address's fragment says what is shown.

import { Events, Running } from "./activity.js";
import { Charts } from "./charts.js";
import { Checks } from "./checks.js";
import { byId, setAttribute, setText } from "./dom.js";
import { Findings } from "./findings.js";
import { timeOfDay } from "./format.js";
import { History } from "./history.js";
import { Pools, Servers, showSource } from "./servers.js";
import { StatementPage } from "./statement-page.js";
import { Statements } from "./statements.js";
import { Stream } from "./stream.js";
import { visible } from "./text.js";
import { startTheme } from "./theme.js";
import { Verdicts } from "./verdicts.js";

const samples = new History();
const charts = new Charts(samples);
const verdicts = new Verdicts(jump);
const statements = new Statements();
const running = new Running();
const events = new Events();
const findings = new Findings();
const pools = new Pools();
const servers = new Servers();
const page = new StatementPage();
const checks = new Checks();
startTheme(byId("theme"), () => charts.redraw());

let state = "connecting";
let newest = null;
/** The statement whose page is or was open, and where the overview was scrolled to. */
let opened = null;
let scrolled = 0;

function show(tick) {
  newest = tick;
  verdicts.update(tick.verdicts);
  byId("overview").hidden = isStatement();
  statements.update(tick);
  events.update(tick.events);
  findings.update(tick.findings);
  running.update(tick.running);
  pools.update(tick.pools);
  servers.update(tick.nodes);
  charts.update();
  page.tick(tick);
}

const TEXTS = { connecting: "connecting", live: "live", paused: "paused", lost: "lost, retrying", gone: "program gone" };

function showState(name, reason) {
  if (state === name && name === "live") return;
  state = name;
  setAttribute(byId("status"), "data-state", name);
  setText(byId("status-text"), TEXTS[name]);
  setAttribute(byId("status"), "title", reason || null);
  const since = newest ? ` The figures are from ${timeOfDay(newest.at)}.` : "";
  const notices = { lost: `The connection is lost. Trying again.${since}`, gone: `The program cannot be reached: ${visible(reason)}.${since}` };
  byId("notice").hidden = !(name in notices);
  setText(byId("notice"), notices[name] ?? "");
}

const stream = new Stream("live/events", {
  session() {
    byId("logout").hidden = false;
  },
  hello({ source, history }) {
    showSource(source);
    checks.begin(source);
    page.hasDatabase = source.has_database;
    samples.reset(history);
  },
  tick(tick) {
    samples.add(tick);
    show(tick);
  },
  state: showState,
  isGone: () => state === "gone",
  // Whoever was logged out gets the form again.
  refused: async () => (await fetch("./").catch(() => null))?.status === 401 && location.reload(),
});

byId("pause").addEventListener("click", () => {
  stream.setPaused(!stream.isPaused);
  setText(byId("pause-text"), stream.isPaused ? "Resume" : "Pause");
  setAttribute(byId("pause"), "data-paused", stream.isPaused ? "" : null);
});

function isStatement() {
  return /^#\/statement\/[0-9a-f]+$/.test(location.hash);
}

/** Scrolls to a panel and sets the focus to it. */
function jump(id) {
  const target = byId(id);
  if (!target) return;
  target.scrollIntoView({ block: "start" });
  target.focus({ preventScroll: true });
}

function route() {
  const wanted = isStatement() ? location.hash.slice("#/statement/".length) : null;
  byId("statement").hidden = wanted === null;
  byId("overview").hidden = wanted !== null || newest === null;
  if (wanted !== null) {
    if (opened === null) scrolled = scrollY;
    opened = wanted;
    scrollTo(0, 0);
    page.open(wanted);
  } else if (opened !== null) {
    page.close();
    charts.update();
    scrollTo({ top: scrolled, behavior: "instant" });
    statements.focus(opened);
    opened = null;
  }
  if (/^#[a-z]+$/.test(location.hash)) jump(location.hash.slice(1));
}

window.addEventListener("hashchange", route);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("content").focus();
});
route();
