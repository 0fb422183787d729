// Calls of the node's API. The token is kept for the session of this tab alone, and never in a URL.
const KEY = "camel-scp-token";

export function token() { return sessionStorage.getItem(KEY) || ""; }
export function remember(text) { sessionStorage.setItem(KEY, text); }
export function forget() { sessionStorage.removeItem(KEY); }

export class Problem extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.title = problem.title || "";
  }
}

function headers(more) { return { Authorization: `Bearer ${token()}`, ...more }; }

async function refusal(response) {
  let problem = {};
  try { problem = await response.json(); } catch { /* a proxy's page, or nothing */ }
  return new Problem(response.status, problem);
}

// A call's JSON, null where it answers 204; throws Problem.
export async function ask(method, path, body) {
  const options = { method, headers: headers(body === undefined ? {} : { "Content-Type": "application/json" }), cache: "no-store" };
  if (body !== undefined) options.body = JSON.stringify(body);
  const response = await fetch(path, options);
  if (!response.ok && !(path === "/health" && response.status === 503)) throw await refusal(response);
  return response.status === 204 ? null : response.json();
}

// Send a file; returns the response, throws Problem.
export async function post(path, file) {
  const response = await fetch(path, { method: "POST", headers: headers({ "Content-Type": "application/octet-stream" }), body: file, cache: "no-store" });
  if (!response.ok) throw await refusal(response);
  return response;
}

// As ask, but null where nothing is set (404) or the key lacks the scope (403).
export async function look(path) {
  try { return await ask("GET", path); } catch (problem) {
    if (problem.status === 404 || problem.status === 403) return null;
    throw problem;
  }
}

// Follow /v1/events until stop() is called; take(kind, data) for each event, state("open" | "lost" | "refused", why).
export function follow(take, state) {
  let stopped = false, after = 0, abort = null;
  async function once() {
    abort = new AbortController();
    const response = await fetch(`/v1/events?after=${after}`, { headers: headers({}), signal: abort.signal, cache: "no-store" });
    if (!response.ok) throw await refusal(response);
    state("open");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      const events = rest.split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const lines = Object.fromEntries(event.split("\n").map(line => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
        if (lines.id) after = Number(lines.id);
        take(lines.event, JSON.parse(lines.data));
      }
    }
  }
  (async () => {
    while (!stopped) {
      try { await once(); } catch (problem) {
        if (stopped) return;
        if (problem.status === 401 || problem.status === 403) { state("refused", problem.message); return; }
      }
      if (stopped) return;
      state("lost");
      after = 0; // a node that was started again counts anew
      await new Promise(resolve => setTimeout(resolve, 1000));
    }
  })();
  return () => { stopped = true; if (abort) abort.abort(); };
}
