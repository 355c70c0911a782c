// Shows the document of the service, and sends requests to it. Texts are set as texts, never as markup.

const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

/** Returns a text of the document as nodes: what stands between backticks is code. */
const prose = (text) => text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));

const described = await (await fetch("/openapi.json")).json();
document.getElementById("description").append(...prose(described.info.description));

const resolved = (schema) => {
  const name = schema?.$ref?.split("/").pop();
  return name ? described.components.schemas[name] : schema;
};

/** Returns an example of a body, as far as the schema tells. */
const example = (schema) => {
  const { type, properties = {}, required = [], items, examples, pattern, format } = resolved(schema) ?? {};
  if (type === "array") return [example(items)];
  if (type === "object") return Object.fromEntries(required.map((name) => [name, example(properties[name])]));
  if (examples) return examples[0];
  if (type === "integer") return 1;
  if (type === "boolean") return false;
  if (format === "date-time") return new Date().toISOString();
  return pattern?.includes("[0-9]") ? "100" : "text";
};

const field = ({ name, in: place, required, description }) => {
  const input = make("input", { name, "data-place": place });
  if (required) input.required = true;
  if (name === "Idempotency-Key" && required) input.value = crypto.randomUUID();
  return make("label", {}, `${name}${required ? " *" : ""}`, input, make("small", {}, ...prose(description ?? "")));
};

const send = async (method, path, form) => {
  const headers = new Headers();
  const query = new URLSearchParams();
  for (const { name, value, dataset } of form.querySelectorAll("input")) {
    if (value === "") continue;
    if (dataset.place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    if (dataset.place === "query") query.set(name, value);
    if (dataset.place === "header") headers.set(name, value);
  }
  const token = document.getElementById("token").value;
  if (token !== "") headers.set("Authorization", `Bearer ${token}`);
  const body = form.querySelector("textarea")?.value;
  if (body !== undefined) headers.set("Content-Type", "application/json");
  const response = await fetch(query.size > 0 ? `${path}?${query}` : path, { method, headers, body });
  let text = await response.text();
  try {
    text = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Not JSON: shown as it is.
  }
  const shown = ["etag", "link", "location", "x-tallybook-token", "server-timing"]
    .filter((name) => response.headers.has(name))
    .map((name) => `${name}: ${response.headers.get(name)}`);
  return [`${response.status} ${response.statusText}`, ...shown, "", text.slice(0, 100_000)].join("\n");
};

const shown = (method, path, operation) => {
  const form = make("form");
  if (operation.description) form.append(make("p", {}, ...prose(operation.description)));
  form.append(...(operation.parameters ?? []).map(field));
  const schema = operation.requestBody?.content["application/json"].schema;
  if (schema) {
    const body = make("textarea", { spellcheck: "false" });
    body.value = JSON.stringify(example(schema), null, 2);
    form.append(make("label", {}, "Body", body));
  }
  const result = make("pre", { tabindex: "0", "aria-live": "polite" });
  result.hidden = true;
  form.append(make("button", {}, "Send"), result);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    result.hidden = false;
    result.textContent = "…";
    result.textContent = await send(method.toUpperCase(), path, form).catch((error) => `No answer: ${error.message}`);
  });
  return make(
    "details",
    {},
    make("summary", {}, make("b", { class: "method" }, method.toUpperCase()), make("code", {}, path), make("span", {}, operation.summary)),
    form,
  );
};

const groups = new Map();
for (const [path, methods] of Object.entries(described.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const [group] = operation.tags;
    groups.set(group, [...(groups.get(group) ?? []), shown(method, path, operation)]);
  }
}
// The service's own endpoints are what people look for last.
const byInterest = [...groups].sort(([a], [b]) => (a === "service") - (b === "service"));
for (const [group, operations] of byInterest) {
  document.getElementById("groups").append(make("a", { href: `#${group}` }, group));
  document.getElementById("operations").append(make("h2", { id: group }, group), ...operations);
}
