// SPDX-License-Identifier: MIT
// The page's line to its server: calls with the token that was given, and what a refusal means. The token
// is in this module's memory and nowhere else.

const PATIENCE_MS = 5000;
let token = "";

export function useToken(given) {
  token = given;
}

// What the server answered instead of what was asked: `status` 0 is no answer at all.
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `status ${status}`);
    this.status = status;
    this.code = problem.code ?? "";
  }
}

const problemOf = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
};

// The answer's JSON, or null where it has no body.
export async function ask(method, path, body) {
  const headers = {};
  if (token !== "") headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  let text;
  try {
    answer = await fetch(path, { method, headers, body, cache: "no-store", credentials: "same-origin",
                                 signal: AbortSignal.timeout(PATIENCE_MS) });
    text = await answer.text();
  } catch (fault) {
    throw new Refusal(0, { detail: fault.name === "TimeoutError" ? "no answer came in time" : "the server cannot be reached" });
  }
  if (!answer.ok) throw new Refusal(answer.status, problemOf(text));
  return text === "" ? null : JSON.parse(text);
}

// A path of parts that hold anything, and a query of what is defined.
export function target(parts, query = {}) {
  // A browser takes these out of a path, however they are written.
  if (parts.some((part) => part === "." || part === "..")) {
    throw new Refusal(400, { detail: "a browser cannot ask for this key: use onced keys" });
  }
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const terms = given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `/${parts.map(encodeURIComponent).join("/")}${terms.length > 0 ? `?${terms.join("&")}` : ""}`;
}

// What to tell a person of a refusal.
export function reason(refusal) {
  if (refusal.status === 401) return "A token is needed: give one above.";
  if (refusal.status === 403) return `Not allowed: ${refusal.message}.`;
  return `${refusal.message}${refusal.code === "" ? "" : ` (${refusal.code})`}`;
}
