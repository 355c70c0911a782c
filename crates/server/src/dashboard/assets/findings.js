// Statements that ran more often than necessary: both call sites, the proof, the cost, the call to make instead.

import { byId, element, isHeld, renderIfChanged } from "./dom.js";
import { count, duration, exact, plural } from "./format.js";
import { copyable, empty, setCount, statementAddress } from "./panel.js";
import { shortSite, visible } from "./text.js";

const TAGS = { confirmed: ["N+1", "warn"], suspected: ["likely N+1", "warn"], redundant: ["repeated", "unknown"] };

export class Findings {
  #body = byId("findings-body");

  update(findings) {
    setCount(byId("findings-count"), count(findings.length), findings.length ? "warn" : null);
    // Figures change while the loop runs; what is being read or copied stays.
    if (isHeld(this.#body)) return;
    renderIfChanged(this.#body, findings, (all) =>
      all.length ? all.map((finding) => renderFinding(finding)) : empty("No N+1 loop and no repeated read so far. They show here as soon as a scope or session with one ends."));
  }
}

/** A finding as an article. */
export function renderFinding(finding) {
  const [tag, level] = TAGS[finding.confidence] ?? [visible(finding.confidence), "unknown"];
  return element("article", { class: "finding" },
    element("h3", {}, element("span", { class: "tag", "data-level": level }, tag), element("a", { href: statementAddress(finding.fingerprint) }, headline(finding))),
    element("p", { class: "cost" }, element("strong", {}, `${duration(finding.lost)} lost`), ` in ${plural(finding.scopes, "scope")}`),
    element("p", {}, ...proof(finding)),
    ...suggestion(finding.suggestion));
}

/** "call X once" as a call that can be copied; any other advice as a sentence. */
function suggestion(text) {
  const call = /^call (.+) once$/.exec(text ?? "")?.[1];
  if (call) return [element("p", {}, "Call this once instead:"), copyable(call)];
  return text ? [element("p", {}, `Instead: ${visible(text)}.`)] : [];
}

function headline({ runs, summary }) {
  return `${exact(runs)} × ${visible(summary)}`;
}

const code = (text) => element("code", { title: visible(text) }, shortSite(text));

// The proof, as a sentence.
function proof({ confidence, at, source, distinct, runs }) {
  if (confidence === "redundant" || !source) {
    return [code(at), ` repeats a read with the same parameters although nothing had changed: ${plural(runs, "run")}, ${plural(distinct, "parameter set")}.`];
  }
  const rows = plural(source.rows, "row");
  const origin = element("a", { href: statementAddress(source.fingerprint) }, visible(source.statement));
  if (confidence === "suspected") {
    return [code(at), ` asks with ${plural(distinct, "different value")} that equal `, element("code", {}, visible(source.column)), ` of the ${rows} that `,
      code(source.at), " read (", origin, "). No key links the columns."];
  }
  return [code(at), ` asks again for each of the ${rows} that `, code(source.at), " read: its parameters are ", element("code", {}, visible(source.column)), " of ", origin, "."];
}
