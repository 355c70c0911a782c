// The choice of the theme: like the system, light, or dark.

const KEY = "tallybook-theme";
const ORDER = ["system", "light", "dark"];
const NAMES = { system: "like the system", light: "light", dark: "dark" };

/** Lets `button` go through the themes; `changed` is called when the colours changed. */
export function startTheme(button, changed) {
  const show = (theme) => {
    const label = `Theme: ${NAMES[theme]}`;
    button.setAttribute("aria-label", label);
    button.title = label;
  };
  show(current());
  button.addEventListener("click", () => {
    const theme = ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length];
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    store(theme);
    show(theme);
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

function current() {
  return document.documentElement.dataset.theme ?? "system";
}

function store(theme) {
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage is forbidden: the choice lasts as long as the page.
  }
}
