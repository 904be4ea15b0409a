// SPDX-License-Identifier: MIT
// The page's line to its server: calls with the token that was given, and what a refusal means. The token
// is in this module's memory and nowhere else.

const PATIENCE_MS = 5000;
let token = "";

// What cannot be a token cannot be sent either: a header takes no such characters.
export const canBeToken = (text) => /^[\x21-\x7e]+$/.test(text);

export function useToken(given) {
  token = given;
}

export const tokenIsGiven = () => token !== "";

// What the server answered instead of what was asked: `status` 0 is no answer at all.
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `status ${status}`);
    this.status = status;
    this.code = problem.code ?? "";
  }
}

// Of an answer of 200 that means nothing: a login page of a proxy, another program at this port.
export const strange = () => new Refusal(0, { detail: "what came is not onced's answer" });

// What to tell of `fault`: a refusal, or what this page tripped over in an answer.
export function refusalOf(fault) {
  if (fault instanceof Refusal) return fault;
  console.error(fault);
  return strange();
}

const problemOf = (text) => {
  try {
    return JSON.parse(text) ?? {};
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
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    throw strange();
  }
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
  if (refusal.status === 401) return token === "" ? "A token is needed: give one above." : "This token is not known here.";
  if (refusal.status === 403) return `Not allowed: ${refusal.message}.`;
  return `${refusal.message}${refusal.code === "" ? "" : ` (${refusal.code})`}`;
}
