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

/** Returns a call site, shortened to the last parts of its path. */
export function shortSite(site) {
  if (!site) return "";
  const parts = visible(site).split("/");
  return parts.length > 3 ? `…/${parts.slice(-2).join("/")}` : parts.join("/");
}
