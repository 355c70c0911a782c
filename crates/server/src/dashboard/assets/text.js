// Text from outside: control characters and marks that reorder or hide text are shown as `\u202e`.

// Controls but tab and line feed, zero-width and direction marks, line separators, tags, lone surrogates.
const HIDDEN =
  /[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\ud800-\udfff]/gu;

/** Returns the text with hidden characters made visible. */
export function visible(text) {
  return String(text ?? "").replace(HIDDEN, (character) => {
    const code = character.codePointAt(0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
  });
}

// The columns of a SELECT, and lists in parentheses from their third item on.
const COLUMNS = /^(\s*select\s+(?:distinct\s+)?)[^()]{24,}?(\sfrom\s)/i;
const LIST = /\(([^,()]+,[^,()]+,)[^()]{12,}\)/g;

/** Characters at which the server cuts the text of a statement in a list. */
const CUT = 300;

/** Returns the text of a statement for one line: long lists of columns end in `…`, so that what differs is seen. */
export function condensed(text) {
  const whole = visible(text).replace(COLUMNS, "$1…$2").replace(LIST, "($1 …)");
  return text.length < CUT ? whole : `${whole} …`;
}

/** Returns a call site, shortened to the last parts of its path. */
export function shortSite(site) {
  if (!site) return "";
  const parts = visible(site).split("/");
  return parts.length > 3 ? `…/${parts.slice(-2).join("/")}` : parts.join("/");
}
