// The console: signs in, follows the node's events, shows the page that the address names.
import { html, render, useEffect, useState } from "./preact.js";
import { ask, follow, forget, remember, token } from "./api.js";
import { CapturesPage } from "./captures.js";
import { CallPage, CallsPage } from "./calls.js";
import { HealthPage } from "./health.js";
import { OverviewPage } from "./overview.js";
import { NODE_STATES } from "./parts.js";
import { SubscriberPage } from "./subscriber.js";

const PAGES = { overview: "Overview", calls: "Calls", subscriber: "Subscriber", captures: "Captures", health: "Health" };
const MOST_CALLS = 2000, MOST_SECONDS = 120;

function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, id] = path.split("/");
  return { page: page in PAGES ? page : "overview", id: id ? decodeURIComponent(id) : "", query: new URLSearchParams(query || "") };
}

// Why a session ended: what the API said, and what it means where the key is not in the configuration any more.
const ended = why => why === "unknown token" ? "The token is not accepted any more: its key was withdrawn, or has another token now." : `The session has ended: ${why}.`;
const DAY = 86_400_000, SOON = 14;

// Until when a key is valid, where that is soon.
function Until({ day }) {
  const left = day ? Math.ceil((Date.parse(day + "T00:00:00Z") + DAY - Date.now()) / DAY) : SOON + 1;
  return left > SOON ? null : html`<span class="pill warn">the key expires ${left <= 1 ? "today" : `in ${left} days`}</span>`;
}

function Login({ done, why }) {
  const [text, type] = useState("");
  const [problem, fail] = useState(why);
  useEffect(() => document.querySelector(".login input").focus(), []); // autofocus works once a document
  async function enter(event) {
    event.preventDefault();
    remember(text.trim());
    try { done(await ask("GET", "/v1/session")); } catch (error) { forget(); fail(error.message); }
  }
  return html`<main class="login"><h1>camel-scp console</h1><form onSubmit=${enter}>
    <label>Token of a key of the API with scope read<input type="password" autocomplete="current-password" value=${text} onInput=${event => type(event.target.value)} required /></label>
    ${problem ? html`<p class="notice" role="alert">${problem}</p>` : null}
    <p><button class="primary">Sign in</button></p></form></main>`;
}

function Console({ session, leave }) {
  const [at, go] = useState(place());
  const [state, setState] = useState("lost");
  const [lost, setLost] = useState(0);
  const [history, setHistory] = useState([]);
  const [calls, setCalls] = useState([]);
  useEffect(() => {
    const moved = () => { go(place()); const main = document.querySelector("main"); if (main) main.focus(); };
    addEventListener("hashchange", moved);
    const stop = follow((kind, data) => {
      if (kind === "overview") setHistory(before => [...before, data].slice(-MOST_SECONDS));
      if (kind === "calls") setCalls(before => {
        const known = before.length ? before[0].number : 0;
        const fresh = data[0].number <= known && data[data.length - 1].number <= known ? [] : data.filter(each => each.number > known);
        return [...fresh.reverse(), ...before].slice(0, MOST_CALLS);
      });
    }, (now, why) => {
      setState(now);
      setLost(before => now === "lost" ? before || Date.now() : 0);
      if (now === "refused") leave(ended(why));
      if (now === "lost") { setHistory([]); setCalls([]); }
    });
    return () => { stop(); removeEventListener("hashchange", moved); };
  }, []);
  const overview = history[history.length - 1];
  const shown = { calls, history, overview, session, query: at.query };
  const pages = {
    overview: () => html`<${OverviewPage} ...${shown} />`,
    calls: () => at.id ? html`<${CallPage} key=${at.id} id=${at.id} session=${session} />` : html`<${CallsPage} key=${at.query.toString()} ...${shown} />`,
    subscriber: () => html`<${SubscriberPage} key=${at.query.toString()} ...${shown} />`,
    captures: () => html`<${CapturesPage} ...${shown} />`,
    health: () => html`<${HealthPage} ...${shown} />`,
  };
  return html`<header><span class="node">${session.node}</span>
      ${overview && state === "open" ? html`<span class=${"pill " + overview.status}>${NODE_STATES[overview.status]}</span>` : html`<span class="pill fail" role="alert">no connection to the node${lost ? `, since ${new Date(lost).toISOString().slice(11, 19)} UTC` : ""}</span>`}
      <span class="dim">${session.version} · key ${session.key}</span> <${Until} day=${session.until} />
      <nav aria-label="Pages">${Object.entries(PAGES).map(([name, words]) => html`<a href=${"#/" + name} aria-current=${at.page === name ? "page" : undefined}>${words}</a>`)}
      <button onClick=${() => leave("")}>Sign out</button></nav></header>
    <main tabindex="-1">${pages[at.page]()}</main>`;
}

function App() {
  const [session, set] = useState(undefined);
  const [why, say] = useState("");
  useEffect(() => { token() ? ask("GET", "/v1/session").then(set, problem => leave(problem.status === 401 ? ended(problem.message) : problem.message)) : set(null); }, []);
  function leave(reason) { forget(); say(reason); set(null); }
  if (session === undefined) return null;
  return session ? html`<${Console} session=${session} leave=${leave} />` : html`<${Login} key=${why} why=${why} done=${set} />`;
}

render(html`<${App} />`, document.getElementById("console"));
