// Single requests to the server.

/** A request that the server did not answer with data; `message` is for people. */
export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Returns the JSON at a relative address. */
export async function ask(address) {
  let response;
  try {
    response = await fetch(address, { headers: { accept: "application/json" } });
  } catch {
    throw new Problem(0, "The server does not answer.");
  }
  if (response.ok) return response.json();
  // Whoever was logged out gets the form again.
  if (response.status === 401) location.reload();
  const problem = await response.json().catch(() => ({}));
  throw new Problem(response.status, problem.detail ?? problem.title ?? `The server answers ${response.status}.`);
}
