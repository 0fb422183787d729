// Health: every check, alerts with their runbook sections, what the file says otherwise, what was discarded.
import { html, useEffect, useState } from "./preact.js";
import { ask } from "./api.js";
import { Behind, words } from "./ladder.js";
import { moment, named, NODE_STATES, number, order, since, STATES } from "./parts.js";

// A line of the runbook: **bold** and `code` as such, a link to another section as a link, any other as its words.
function formatted(line) {
  return line.replace(/\[(?!Scp\w+\]\(#)([^\]]*)\]\([^)]*\)/g, "$1").split(/(\*\*[^*]+\*\*|`[^`]+`|\[Scp\w+\]\(#\w+\))/).map(part =>
    part.startsWith("[") ? html`<a href=${`#/health?alert=${part.slice(1, part.indexOf("]"))}`}>${part.slice(1, part.indexOf("]"))}</a>` : part.startsWith("**") ? html`<b>${part.slice(2, -2)}</b>` : part.startsWith("`") ? html`<code>${part.slice(1, -1)}</code>` : part);
}

const Section = ({ text }) => text ? html`<div class="runbook">${text.split("\n").map(line => html`<p>${formatted(line)}</p>`)}</div>` : null;

// What the runbook says of one alert, whether or not it holds.
function Runbook({ alert }) {
  const [found, set] = useState(null);
  const [problem, fail] = useState("");
  useEffect(() => { set(null); fail(""); ask("GET", `/v1/runbook/${encodeURIComponent(alert)}`).then(set, error => fail(error.message)); }, [alert]);
  return html`<section aria-labelledby="runbook"><h2 id="runbook">Runbook: ${alert}</h2>${problem ? html`<p class="notice" role="alert">${problem}</p>` : null}
    ${found ? html`<${Section} text=${found.runbook} />${found.page ? html`<p><a href=${found.page}>Page that shows it</a></p>` : null}` : null}</section>`;
}

function Alerts() {
  const [found, set] = useState(null);
  const [problem, fail] = useState("");
  async function load() { try { set(await ask("GET", "/v1/alerts")); fail(""); } catch (error) { fail(error.message); } }
  useEffect(() => { load(); const timer = setInterval(load, 5000); return () => clearInterval(timer); }, []);
  if (problem) return html`<p class="notice" role="alert">${problem}</p>`;
  if (!found) return null;
  return html`<h2>Alerts</h2>
    ${found.alerts.length ? null : html`<p class="dim">No alert.</p>`}
    ${found.alerts.map(each => html`<details key=${each.name + JSON.stringify(each.labels)}><summary><span class=${"pill " + (each.state === "pending" ? "warn" : each.severity === "page" ? "fail" : "warn")}>${each.state}</span> <b>${each.name}</b> ${each.summary} <span class="dim">since ${since(new Date(each.since_ms).toISOString())}${each.state === "pending" ? `, fires after ${each.for_s} s` : ""}</span></summary>
      <p><a href=${`#/health?alert=${each.name}`}>Runbook section</a>${each.page ? html` · <a href=${each.page}>Page that shows it</a>` : null}</p>
      <${Section} text=${each.runbook} /></details>`)}
    <p class="dim">${found.evaluated} of the shipped rules are evaluated here, on what this node has counted for ${number(found.watched_s)} s. Prometheus alone has the history for ${found.not_evaluated.join(", ") || "none"}.</p>`;
}

function Configuration() {
  const [found, set] = useState(null);
  useEffect(() => { ask("GET", "/v1/configuration").then(set, () => set(null)); }, []);
  if (!found || !found.file) return null;
  const same = !found.at_reload.length && !found.at_restart.length && !found.faults.length;
  return html`<h2>Configuration</h2>
    ${same ? html`<p>What runs is what <span class="mono">${found.file}</span> says.</p>` : html`<p class="warn"><span class="mono">${found.file}</span> says something else than what runs.</p>`}
    ${found.faults.map(each => html`<p class="notice">It can't be used: ${each}</p>`)}
    ${found.at_reload.map(each => html`<p><span class="mono">${each}</span> <span class="dim">changes with a reload (SIGHUP)</span></p>`)}
    ${found.at_restart.map(each => html`<p><span class="mono">${each}</span> <span class="dim">changes with the next start</span></p>`)}`;
}

export function HealthPage({ overview, query }) {
  const [discards, set] = useState(null);
  const [problem, fail] = useState("");
  useEffect(() => { ask("GET", "/v1/discards").then(found => set(found.discards), error => fail(error.message)); }, []);
  if (!overview) return html`<h1>Health</h1><p class="dim">Waiting for the node …</p>`;
  const checks = Object.entries(overview.checks).flatMap(([group, each]) => each.map(check => ({ group, check }))).sort((a, b) => order(a.check) - order(b.check));
  return html`<h1>Health: <span class=${overview.status}>${NODE_STATES[overview.status]}</span></h1>
    ${overview.why_not_ready.map(reason => html`<p class="notice">${reason}</p>`)}
    ${query.get("alert") ? html`<${Runbook} alert=${query.get("alert")} />` : null}
    <div class="scroll" tabindex="0" role="region" aria-label="Checks"><table class="stack"><thead><tr><th scope="col">Part</th><th scope="col">State</th><th scope="col">Since, UTC</th><th scope="col">What to check</th></tr></thead><tbody>
      ${checks.map(({ group, check }) => html`<tr key=${group + check.componentId}><td>${check.componentId} <span class="dim">${named(group)}</span></td>
        <td><span class=${"pill " + check.status}>${STATES[check.status]}</span> ${check.observedValue}</td><td class="dim when">${moment(check.time)}</td>
        <td>${check.check || ""} ${check.lastError ? html`<span class="dim">last error: ${check.lastError}, ${since(check.lastErrorTime)}</span>` : null}</td></tr>`)}</tbody></table></div>
    <${Alerts} /><${Configuration} />
    <h2>Discarded messages</h2>
    ${problem ? html`<p class="notice">${problem}</p>` : null}
    ${discards && !discards.length ? html`<p class="dim">None since the node started.</p>` : null}
    ${(discards || []).map(each => html`<details><summary><b>${number(each.count)}</b> ${each.layer}: ${each.reason}</summary>
      ${each.samples.length ? null : html`<p class="dim">No sample of it is kept.</p>`}
      ${each.samples.map(sample => html`<${DiscardedSample} sample=${sample} />`)}</details>`)}`;
}

// A message that was discarded, decoded as far as it can be when somebody opens it.
function DiscardedSample({ sample }) {
  const [read, set] = useState(null);
  const [problem, fail] = useState("");
  const open = event => { if (event.currentTarget.open && !read) ask("POST", "/v1/octets/decoded", { hex: sample.hex }).then(set, error => fail(error.message)); };
  const known = read && Object.keys(read.message).length;
  return html`<details class="sample" onToggle=${open}><summary><span class="dim">${since(sample.time)}</span> from ${sample.peer}, ${sample.size} octets${known ? ": " + words(read.message) : ""}</summary>
    ${problem ? html`<p class="notice">${problem}</p>` : null}
    ${read ? read.faults.map(fault => html`<p class="fail">${fault}</p>`) : null}
    ${read ? html`<${Behind} event=${{ decoded: known ? read.message : null, octets: read.octets, parts: read.parts }} />` : null}</details>`;
}
