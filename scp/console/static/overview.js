// The overview: what is wrong, how many calls come, who is connected to whom.
import { html, useEffect, useState } from "./preact.js";
import { long, moment, named, NODE_STATES, number, order, since, STATES } from "./parts.js";

const PICTURE = ["m3ua:association", "m3ua:asp", "m3ua:as"];

// ---- rates: what changed between two snapshots

function between(history, seconds) {
  const now = history[history.length - 1];
  const before = [...history].reverse().find(each => now.time_ms - each.time_ms >= seconds * 1000) || history[0];
  return { now, before, seconds: Math.max(0.001, (now.time_ms - before.time_ms) / 1000), one: now === before };
}

const total = (overview, failed) => overview.calls.reduce((sum, each) => sum + (failed === undefined || each.failed === failed ? each.count : 0), 0);

function quantile(history, share) {
  const { now, before, one } = between(history, 10);
  const counts = now.answer_counts.map((count, at) => count - (one ? 0 : before.answer_counts[at]));
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (!all) return "–";
  let seen = 0;
  for (let at = 0; at < counts.length; at += 1) {
    seen += counts[at];
    if (seen >= share * all) return at < now.answer_bounds.length ? `≤ ${number(now.answer_bounds[at] * 1000)} ms` : `> ${number(now.answer_bounds[at - 1] * 1000)} ms`;
  }
  return "–";
}

function Sparks({ history }) {
  if (history.length < 3) return null;
  const rates = failed => history.slice(1).map((each, at) => Math.max(0, (total(each, failed) - total(history[at], failed)) / Math.max(0.001, (each.time_ms - history[at].time_ms) / 1000)));
  const all = rates(), failed = rates(true);
  const most = Math.max(1, ...all);
  const line = values => values.map((value, at) => `${(100 * at) / Math.max(1, values.length - 1)},${38 - (36 * value) / most}`).join(" ");
  return html`<figure style=${{ margin: 0 }}><svg class="sparks" viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label=${`calls a second of the last ${history.length} seconds, ${number(most)} at the most`}>
    <polyline points=${line(all)} /><polyline class="bad" points=${line(failed)} /></svg>
    <figcaption class="dim">calls a second, ${number(most)} at the most; red: failed</figcaption></figure>`;
}

// ---- what is wrong

// A link is one part of the picture: its association, ASP and AS stand or fall together.
function links(checks) {
  const worst = own => [...own].sort((a, b) => order(a) - order(b))[0];
  return [...new Set((checks["m3ua:association"] || []).map(each => each.componentId))].map(name => {
    const own = PICTURE.flatMap(group => (checks[group] || []).filter(each => each.componentId === name || each.componentId.startsWith(name + " ")).map(check => ({ group, check })));
    const said = own.map(({ group, check }) => (group === "m3ua:as" ? "AS " : "") + check.observedValue);
    return { group: "m3ua:association", title: name, check: worst(own.map(each => each.check)), more: [...new Set(said)].join(", ") };
  });
}
const beside = (checks, picked) => Object.entries(checks).filter(([group]) => !PICTURE.includes(group) && picked(group)).flatMap(([group, each]) => each.map(check => ({ group, check, title: check.componentId })));

// The alert whose runbook section says more.
const ALERTS = { "m3ua:association": "ScpAssociationDown", "m3ua:destination": "ScpDestinationUnavailable", "sctp:path": "ScpPathDown", "sccp:subsystem": "ScpSubsystemProhibited", "store:records": "ScpStoreUnusable", "charging:records": "ScpCdrsWaiting",
  "charging:ledger": "ScpLedgerUnusable", "charging:function": "ScpChargingUnavailable", "map:hlr": "ScpHlrSilent", "map:arming": "ScpArmingRefused", "messages:smsc": "ScpSmscAway", "messages:queue": "ScpMessagesWaiting", "node:guardian": "ScpGuardianLost",
  "node:identity": "ScpDuplicateNode", "node:journal": "ScpUnjournalled", "node:recording": "ScpRecordingFailed" };
const Runbook = ({ alert }) => alert ? html`<a href=${`#/health?alert=${alert}`} aria-label=${`Runbook: ${alert}`}>Runbook</a>` : null;

// Calls have stopped: none has come for 2 s, and ten would have at the rate before. Kept until one comes.
let quiet = null;
function silence(history) {
  const now = history[history.length - 1], last = total(now);
  if (quiet && quiet.total === last) return quiet;
  const at = history.findIndex(each => total(each) === last);
  const from = history[at].time_ms, idle = (now.time_ms - from) / 1000, span = (from - history[0].time_ms) / 1000;
  const rate = span < 2 ? 0 : (last - total(history[0])) / span;
  quiet = idle >= 2 && rate * idle >= 10 ? { total: last, from, rate } : null;
  return quiet;
}

// What is wrong, since when, and what to check, without a click.
function Wrong({ history }) {
  const { now, before, seconds, one } = between(history, 5);
  const parts = [...links(now.checks), ...beside(now.checks, () => true)].filter(each => each.check.status !== "pass").sort((a, b) => order(a.check) - order(b.check));
  const earlier = counts(before);
  const failing = one ? [] : now.calls.filter(each => each.failed && each.count > (earlier.get(keyOf(each)) || 0));
  const none = silence(history);
  if (!parts.length && !failing.length && !none && !now.overload_level && !now.why_not_ready.length) return html`<p class="pass">Nothing is wrong at this node.</p>`;
  return html`<section aria-labelledby="wrong"><h2 id="wrong">What is wrong</h2>
    ${now.why_not_ready.length ? html`<p class="notice" role="alert">This node steers no calls: ${now.why_not_ready.join("; ")}</p>` : null}
    <ul class="wrong">${parts.map(({ group, title, check, more }) => html`<li key=${group + title} class=${check.status}><b>${title}</b> <span class="dim">${named(group)}</span>: <span class=${check.status}>${more || check.observedValue}</span>, since ${moment(check.time)} UTC <span class="dim">(${long(now.time_ms - Date.parse(check.time))})</span>
      ${check.lastError ? html`<div>Last error: ${check.lastError}</div>` : null}
      <div>${check.check ? html`Check ${check.check}. ` : null}<${Runbook} alert=${ALERTS[group]} /></div></li>`)}
    ${now.overload_level ? html`<li class="warn"><b>Overload</b>, level ${now.overload_level}: calls go on without a lookup, or are refused. <${Runbook} alert="ScpOverloaded" /></li>` : null}
    ${none ? html`<li class="warn"><b>No call comes</b>, since ${moment(new Date(none.from).toISOString())} UTC <span class="dim">(${long(now.time_ms - none.from)})</span>; before, ${number(none.rate)} a second came.
      <div>Check at the switches and STPs: whether they run, and still route to this node. <${Runbook} alert="ScpNoCalls" /></div></li>` : null}
    ${failing.map(each => html`<li key=${keyOf(each)} class="fail"><b>${number((each.count - (earlier.get(keyOf(each)) || 0)) / seconds)} calls a second fail</b>: ${each.reason}, answered ${each.action}. ${each.explanation} <a href=${callsOf(each)}>These calls</a></li>`)}</ul></section>`;
}

// ---- overview

const keyOf = each => `${each.service} ${each.action} ${each.reason}`;
const counts = overview => new Map(overview.calls.map(each => [keyOf(each), each.count]));
const callsOf = each => `#/calls?reason=${encodeURIComponent(each.reason)}`;

function Box({ check, title, more, open }) {
  return html`<button class=${"box " + check.status} onClick=${() => open({ title, check })}>
    <b>${title}</b> <span class=${check.status}>${check.observedValue}</span><small>${more || ""}</small></button>`;
}

function Fault({ shown, close }) {
  useEffect(() => { const node = document.getElementById("fault"); if (shown && node && !node.open) node.showModal(); });
  if (!shown) return null;
  const { title, check } = shown;
  return html`<dialog id="fault" onClose=${close} aria-labelledby="fault-title">
    <h2 id="fault-title">${title}: <span class=${check.status}>${STATES[check.status]}</span></h2>
    <dl class="facts">
      <div><dt>State</dt><dd>${check.observedValue}</dd></div>
      <div><dt>Since</dt><dd>${since(check.time)}</dd></div>
      ${check.lastError ? html`<div><dt>Last error</dt><dd>${check.lastError} <span class="dim">${since(check.lastErrorTime)}</span></dd></div>` : null}
      ${check.check ? html`<div><dt>What to check</dt><dd>${check.check}</dd></div>` : null}
    </dl>
    <button onClick=${close}>Close</button></dialog>`;
}

function Network({ overview }) {
  const [shown, open] = useState(null);
  const groups = overview.checks;
  const beyond = beside(groups, group => /^(m3ua|sctp|sccp):/.test(group)), parts = beside(groups, group => !/^(m3ua|sctp|sccp):/.test(group));
  return html`<div class="network" aria-label="Who is connected to whom">
    <div class="column peers">
      ${links(groups).map(each => html`<${Box} key=${each.title} check=${each.check} title=${each.title} more=${each.more} open=${open} />`)}
      ${beyond.map(({ group, check }) => html`<${Box} key=${group + check.componentId} check=${check} title=${`${named(group)} ${check.componentId}`} open=${open} />`)}
    </div>
    <div class="column self"><div class=${"box " + overview.status}><b>${overview.name}</b><small>${overview.why_not_ready.length ? overview.why_not_ready.join("; ") : "takes calls"}</small></div></div>
    <div class="column parts">${parts.map(({ group, check }) => html`<${Box} key=${group + check.componentId} check=${check} title=${check.componentId} more=${named(group)} open=${open} />`)}</div>
  </div><${Fault} shown=${shown} close=${() => open(null)} />`;
}

const PRESENCE = { self: "this node", here: "", stopped: "stopped", gone: "gone" };
const GONE = "Nothing is heard of it: does its process run, is its host up, does it reach the Redis that they share?";

// The nodes on one Redis side by side; each link goes to that node's own console.
function Nodes({ history }) {
  const { now, before, seconds, one } = between(history, 5);
  if (now.nodes.length < 2) return null;
  const earlier = new Map(before.nodes.map(each => [each.state.name + each.state.instance, each.state]));
  return html`<h2>Nodes</h2><div class="nodes">${now.nodes.map(({ state, presence, since_ms }) => {
    const lost = presence === "gone" || presence === "stopped";
    const was = earlier.get(state.name + state.instance) || state;
    const span = Math.max(0.001, (state.time_ms - was.time_ms) / 1000);
    const rate = name => one || lost || span < 0.1 ? "–" : number(Math.max(0, state[name] - was[name]) / span);
    return html`<section class=${"node-card " + (presence === "gone" ? "fail" : presence === "stopped" ? "warn" : state.status)} key=${state.name + state.instance} aria-label=${"Node " + state.name}>
      <h3>${presence === "self" || !/^https?:/.test(state.url) ? state.name : html`<a href=${state.url + "/console"}>${state.name}</a>`} <span class="dim">instance ${state.instance}</span></h3>
      <p><span class=${"pill " + (presence === "gone" ? "fail" : presence === "stopped" ? "warn" : state.status)}>${lost ? PRESENCE[presence] : NODE_STATES[state.status]}</span> <span class="dim">${PRESENCE[presence]} since ${since(new Date(since_ms).toISOString())}</span></p>
      ${presence === "gone" ? html`<p class="fail" role="alert">${GONE}</p>` : null}
      ${lost ? null : state.why_not_ready.map(reason => html`<p class="fail">${reason}</p>`)}
      <p>${rate("calls")} calls a second, ${rate("failed")} failed; ${number(state.dialogues_open)} dialogues open${state.overload_level ? ", overload " + state.overload_level : ""}</p>
      <p class="dim">${number(state.calls)} calls since ${since(new Date(state.started_ms).toISOString())}, version ${state.version}</p></section>`;
  })}</div>`;
}

export function OverviewPage({ history }) {
  if (!history.length) return html`<h1>Overview</h1><p class="dim">Waiting for the node …</p>`;
  const { now, before, seconds, one } = between(history, 5);
  const rate = failed => one ? "–" : number(Math.max(0, total(now, failed) - total(before, failed)) / seconds);
  const earlier = counts(before);
  return html`<h1>Overview</h1>
    <${Wrong} history=${history} />
    <div class="tiles">
      <div class="tile"><b>${rate()}</b>calls a second</div>
      <div class="tile"><b class=${one || rate(true) === "0" ? "" : "fail"}>${rate(true)}</b>failed a second</div>
      <div class="tile"><b>${quantile(history, 0.5)}</b>half are answered within</div>
      <div class="tile"><b>${quantile(history, 0.99)}</b>99 % are answered within</div>
      <div class="tile"><b>${number(now.dialogues_open)}</b>dialogues open</div>
      <div class="tile"><b class=${now.overload_level ? "fail" : ""}>${now.overload_level || "none"}</b>overload</div>
    </div>
    <${Sparks} history=${history} />
    <${Nodes} history=${history} />
    <h2>Network</h2><${Network} overview=${now} />
    <h2>Calls by answer and reason</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Calls by answer and reason"><table>
      <thead><tr><th scope="col">Answer</th><th scope="col">Reason</th><th scope="col">Meaning</th><th scope="col" class="number">a second</th><th scope="col" class="number">in all</th></tr></thead>
      <tbody>${[...now.calls].sort((a, b) => b.count - a.count).map(each => html`<tr key=${keyOf(each)} class=${each.failed ? "failed" : ""}>
        <td>${each.action} <span class="dim">${each.service}</span></td><td><a href=${callsOf(each)}>${each.reason}</a></td><td class="dim">${each.explanation}</td>
        <td class="number">${one ? "–" : number((each.count - (earlier.get(keyOf(each)) || 0)) / seconds)}</td><td class="number">${number(each.count)}</td></tr>`)}</tbody>
    </table></div>`;
}
