// The pages of the console.
import { html, useEffect, useState } from "./preact.js";
import { ask, look } from "./api.js";
import { Behind, clock, Ladder, rungs, words } from "./ladder.js";
import { Steps } from "./replays.js";

const number = value => value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
const since = text => text ? text.replace("T", " ").slice(0, 19) + " UTC" : "";
// An amount as people have it; the API has minor units.
function money(amount, currency) {
  if (!currency) return `${amount || 0} minor units`;
  try {
    const places = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
    return `${((amount || 0) / 10 ** places).toFixed(places)} ${currency}`;
  } catch { return `${amount || 0} minor units of ${currency}`; } // no currency's code
}
const STATES = { pass: "in order", warn: "look at it", fail: "does not work" };
const GROUPS = { "m3ua:association": "association", "m3ua:asp": "ASP", "m3ua:as": "AS", "m3ua:destination": "destination", "m3ua:network-indicator": "network indicator", "sctp:path": "SCTP path", "sccp:subsystem": "subsystem",
  "store:records": "subscribers' records", "charging:records": "CDRs", "charging:ledger": "accounts and reservations", "charging:function": "charging", "map:hlr": "HLR", "map:arming": "what the HLR is to tell", "messages:smsc": "SMSC", "messages:queue": "text messages",
  "node:guardian": "guardian process", "node:identity": "another node with the same name or instance", "node:journal": "journal of held calls", "node:recording": "recording of messages", "node:traces": "numbers traced" };
const named = group => GROUPS[group] || group;
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

// ---- overview

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
  const worst = checks => ["fail", "warn"].map(status => checks.find(each => each.status === status)).find(Boolean) || checks[0];
  const links = [...new Set((groups["m3ua:association"] || []).map(each => each.componentId))].map(name => {
    const own = PICTURE.flatMap(group => (groups[group] || []).filter(each => each.componentId === name || each.componentId.startsWith(name + " ")).map(check => ({ group, check })));
    return { name, check: worst(own.map(each => each.check)), more: own.map(({ group, check }) => (group === "m3ua:as" ? "AS " : "") + check.observedValue).join(", ") };
  });
  const beyond = Object.entries(groups).filter(([group]) => /^(m3ua:destination|sctp:path|sccp:subsystem|m3ua:network-indicator)$/.test(group)).flatMap(([group, checks]) => checks.map(check => ({ group, check })));
  const parts = Object.entries(groups).filter(([group]) => !/^(m3ua|sctp|sccp):/.test(group)).flatMap(([group, checks]) => checks.map(check => ({ group, check })));
  return html`<div class="network" aria-label="Who is connected to whom">
    <div class="column peers">
      ${links.map(each => html`<${Box} key=${each.name} check=${each.check} title=${each.name} more=${each.more} open=${open} />`)}
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
      <p><span class=${"pill " + (presence === "gone" ? "fail" : presence === "stopped" ? "warn" : state.status)}>${lost ? PRESENCE[presence] : STATES[state.status]}</span> <span class="dim">${PRESENCE[presence]} since ${since(new Date(since_ms).toISOString())}</span></p>
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
  const earlier = new Map(before.calls.map(each => [each.service + each.action + each.reason, each.count]));
  return html`<h1>Overview</h1>
    ${now.why_not_ready.map(reason => html`<p class="notice" role="alert">No calls should come here: ${reason}</p>`)}
    <div class="tiles">
      <div class="tile"><b>${rate()}</b>calls a second</div>
      <div class="tile"><b class=${one || rate(true) === "0" ? "" : "fail"}>${rate(true)}</b>failed a second</div>
      <div class="tile"><b>${quantile(history, 0.5)}</b>half are answered in</div>
      <div class="tile"><b>${quantile(history, 0.99)}</b>99 % are answered in</div>
      <div class="tile"><b>${number(now.dialogues_open)}</b>dialogues open</div>
      <div class="tile"><b class=${now.overload_level ? "fail" : ""}>${now.overload_level || "none"}</b>overload</div>
    </div>
    <${Sparks} history=${history} />
    <${Nodes} history=${history} />
    <h2>Network</h2><${Network} overview=${now} />
    <h2>Calls by answer and reason</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Calls by answer and reason"><table>
      <thead><tr><th scope="col">Answer</th><th scope="col">Reason</th><th scope="col">Meaning</th><th scope="col" class="number">a second</th><th scope="col" class="number">in all</th></tr></thead>
      <tbody>${[...now.calls].sort((a, b) => b.count - a.count).map(each => html`<tr key=${each.service + each.action + each.reason} class=${each.failed ? "failed" : ""}>
        <td>${each.action} <span class="dim">${each.service}</span></td><td><a href=${`#/calls?reason=${encodeURIComponent(each.reason)}`}>${each.reason}</a></td><td class="dim">${each.explanation}</td>
        <td class="number">${one ? "–" : number((each.count - (earlier.get(each.service + each.action + each.reason) || 0)) / seconds)}</td><td class="number">${number(each.count)}</td></tr>`)}</tbody>
    </table></div>`;
}

// ---- calls

export function CallTable({ calls }) {
  return html`<table class="calls"><thead><tr><th scope="col">Time</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Answer</th><th scope="col">Reason</th><th scope="col" class="number">ms</th></tr></thead>
    <tbody>${calls.map(call => html`<tr key=${call.number} class=${call.failed ? "failed" : ""}>
      <td><a href=${`#/calls/${call.attempt.id}`}>${clock(call.attempt.received_ms)}</a></td>
      <td class="mono">${call.attempt.a_number || "–"}</td><td class="mono">${call.attempt.b_number || "–"}</td>
      <td>${call.attempt.action} <span class="mono">${call.attempt.number || ""}</span></td>
      <td title=${call.explanation}>${call.attempt.reason}</td><td class="number">${call.answer_ms.toFixed(1)}<span class="unit"> ms</span></td></tr>`)}</tbody></table>`;
}

function HeldCalls() {
  const [page, set] = useState(null);
  const [problem, fail] = useState("");
  async function load() { try { set(await ask("GET", "/v1/calls?limit=100")); } catch (error) { fail(error.message); } }
  useEffect(() => { load(); const timer = setInterval(load, 2000); return () => clearInterval(timer); }, []);
  async function release(id) {
    if (!confirm(`Release call ${id}? Both parties are cut off.`)) return;
    try { await ask("DELETE", `/v1/calls/${id}`); } catch (error) { fail(error.message); }
    load();
  }
  return html`<h2>Held calls</h2>${problem ? html`<p class="notice" role="alert">${problem}</p>` : null}
    ${page && !page.calls.length ? html`<p class="dim">This node holds no call.</p>` : null}
    ${page && page.calls.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="Held calls"><table><thead><tr><th scope="col">Since</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Service</th><th scope="col">Waits for</th><th scope="col">Reservation</th><th scope="col"></th></tr></thead>
      <tbody>${page.calls.map(call => html`<tr key=${call.id}><td>${call.since.slice(11, 19)}</td><td class="mono">${call.calling || "–"}</td><td class="mono">${call.called || "–"}</td><td>${call.service}</td><td>${call.waits_for}</td><td class="mono">${call.reservation || "–"}</td>
        <td><button onClick=${() => release(call.id)} aria-label=${`Release the call from ${call.calling} to ${call.called}`}>Release</button></td></tr>`)}</tbody></table></div>` : null}
    ${page && page.next ? html`<p class="dim">The first 100; GET /v1/calls has all.</p>` : null}`;
}

export function CallsPage({ calls, overview, query, session }) {
  const [wanted, want] = useState({ digits: query.get("number") || "", reason: query.get("reason") || "", msc: query.get("switch") || "", service: query.get("service") || "", failed: query.get("failed") === "yes" });
  const [paused, pause] = useState(null);
  const shown = (paused || calls).filter(each =>
    (!wanted.failed || each.failed) && (!wanted.reason || each.attempt.reason === wanted.reason) &&
    (!wanted.msc || each.attempt.msc_address === wanted.msc) && (!wanted.service || each.attempt.service === wanted.service) &&
    (!wanted.digits || [each.attempt.a_number, each.attempt.b_number, each.attempt.number || ""].some(text => text && text.includes(wanted.digits))));
  const seen = (name, chosen) => [...new Set([...calls.map(each => each.attempt[name]), chosen])].filter(Boolean).sort();
  const choice = (title, key, name, all) => html`<label>${title}<select value=${wanted[key]} onChange=${event => want({ ...wanted, [key]: event.target.value })}><option value="">${all}</option>${seen(name, wanted[key]).map(each => html`<option value=${each}>${each}</option>`)}</select></label>`;
  return html`<h1>Calls</h1>
    <form class="row" onSubmit=${event => event.preventDefault()}>
      <label>Number<input type="search" value=${wanted.digits} onInput=${event => want({ ...wanted, digits: event.target.value.replace(/^\+|\s/g, "") })} /></label>
      ${choice("Reason", "reason", "reason", "every reason")}
      ${choice("Switch", "msc", "msc_address", "every switch")}
      ${choice("Service", "service", "service", "every service")}
      <label>Show<select value=${wanted.failed ? "failed" : ""} onChange=${event => want({ ...wanted, failed: event.target.value === "failed" })}><option value="">all</option><option value="failed">failed only</option></select></label>
      <button type="button" aria-pressed=${paused ? "true" : "false"} onClick=${() => pause(paused ? null : calls)}>${paused ? "Go on" : "Hold still"}</button>
    </form>
    <p class="dim" role="status">${number(shown.length)} of ${number(calls.length)} calls since this console was opened${overview && overview.not_kept ? `; ${number(overview.not_kept)} more came too fast to be shown` : ""}</p>
    <${CallTable} calls=${shown.slice(0, 300)} />
    ${session.scopes.includes("calls") ? html`<${HeldCalls} />` : null}`;
}

const TRIES = 10; // of a dry run whose store is late
const FINAL_LOOKS = 8; // at what comes after the end: records, and the SIP half of the call

export function CallPage({ id, session }) {
  const [found, set] = useState(null);
  const [records, setRecords] = useState([]);
  const [steps, setSteps] = useState(null);
  const [whyNot, setWhyNot] = useState("");
  const [problem, fail] = useState("");
  useEffect(() => {
    let gone = false, left = FINAL_LOOKS;
    async function load() {
      try {
        const path = `/v1/attempts/${encodeURIComponent(id)}`;
        const detail = await ask("GET", path);
        const kept = session.scopes.includes("charging") ? await ask("GET", path + "/records") : { records: [] };
        if (gone) return;
        set(detail);
        setRecords(kept.records);
        const going = !detail.call.over || detail.sip.length && !detail.sip.some(each => each.message.startsWith("ended") || each.message === "BYE");
        if (going) left = FINAL_LOOKS;
        if (left > 0) setTimeout(() => { if (!gone) load(); }, 1000);
        left -= 1;
      } catch (error) { if (!gone) fail(error.message); }
    }
    load();
    return () => { gone = true; };
  }, [id]);
  const attempt = found && found.call.attempt;
  useEffect(() => {
    if (!attempt || !attempt.b_number) return;
    let timer = 0, left = TRIES;
    const decide = () => ask("POST", "/v1/decisions", decisionOf(found)).then(run => { setSteps(run); setWhyNot(""); }, error => {
      setWhyNot(error.message);
      if (error.status === 503 && (left -= 1) > 0) timer = setTimeout(decide, 1000); // the store was late
    });
    decide();
    return () => clearTimeout(timer);
  }, [attempt && attempt.id]);
  if (problem) return html`<h1>Call</h1><p class="notice" role="alert">${problem}. Calls are kept while a console is open, the latest 2,000.</p>`;
  if (!found) return html`<h1>Call</h1><p class="dim">Loading …</p>`;
  const facts = { Received: new Date(attempt.received_ms).toISOString(), Service: `${attempt.service} (key ${attempt.service_key})`, Trigger: attempt.trigger || "–", "Calling number": attempt.a_number || "–",
    "Called number": attempt.b_number || "–", "Connected to": attempt.number || "–", IMSI: attempt.imsi || "–", "MSC address": attempt.msc_address || "–", "Call reference": attempt.call_reference || "–", "Answered in": `${found.call.answer_ms.toFixed(2)} ms` };
  return html`<h1>${attempt.a_number || "?"} → ${attempt.b_number || "?"}: <span class=${found.call.failed ? "fail" : ""}>${attempt.action}, ${attempt.reason}</span></h1>
    <p>${found.call.explanation}</p>
    <dl class="facts">${Object.entries(facts).map(([name, value]) => html`<div><dt>${name}</dt><dd class="mono">${value}</dd></div>`)}</dl>
    <div class="row">${attempt.b_number ? html`<a class="button" href=${`#/subscriber?number=${encodeURIComponent(steps && e164(steps) || attempt.b_number)}`}>Subscriber called</a>` : null}
      ${session.scopes.includes("trace") && steps && e164(steps) ? html`<${Trace} msisdn=${e164(steps)} />` : null}</div>
    <h2>Messages</h2><${Ladder} events=${rungs(found.messages, found.sip)} />
    ${found.left_out ? html`<p class="dim">${found.left_out} more are not kept.</p>` : null}
    ${found.sip_call ? html`<p class="dim">The VoIP service's id of the call: <span class="mono">${found.sip_call}</span></p>` : null}
    ${session.scopes.includes("charging") ? html`<h2>Records</h2>${records.length ? records.map(each => html`<${Record} key=${each.seq} record=${each} />`) : html`<p class="dim">None is kept yet: a held call's is when it is over.</p>`}` : null}
    ${steps ? html`<h2>Decided now, it would be</h2><${Path} run=${steps} />` : whyNot ? html`<h2>Decided now</h2><p class="dim">can't be said: ${whyNot}</p>` : null}`;
}

// Begins or ends a trace of a number: the log then has each message of its calls.
function Trace({ msisdn }) {
  const [trace, set] = useState(null);
  const [problem, fail] = useState("");
  const path = `/v1/traces/${msisdn}`;
  const load = () => look(path).then(set, error => fail(error.message));
  useEffect(() => { load(); }, [msisdn]);
  async function turn() {
    try { await (trace ? ask("DELETE", path) : ask("PUT", path, {})); fail(""); } catch (error) { fail(error.message); }
    load();
  }
  return html`<button aria-pressed=${trace ? "true" : "false"} onClick=${turn}>${trace ? `End the trace of ${msisdn}` : `Trace ${msisdn} for ten minutes`}</button>${problem ? html`<span class="fail" role="alert">${problem}</span>` : null}`;
}

const TIMES = /_ms$/;
const LENGTHS = ["charged_ms"];

// What a record comes to, in a line; amounts are minor units, as the API has them.
function recordWords(record) {
  if (record.kind === "charge") return `charge: ${record.used_seconds} of ${record.granted_seconds} s, ${money(record.charged, record.currency)} off account ${record.account}`;
  if (record.kind === "voip") return `SIP leg: ${record.a_number || "?"} → ${record.b_number || "?"}, ${record.answered_ms ? `talked ${((record.ended_ms - record.answered_ms) / 1000).toFixed(1)} s` : "not answered"}`;
  const cost = record.charge === undefined || record.charge === null ? "" : `, charged ${record.charge} of ${record.reserved} minor units reserved`;
  return `attempt: ${record.action} ${record.number || ""}, ${record.reason}${cost}`;
}

function Record({ record }) {
  const shown = (name, value) => TIMES.test(name) && !LENGTHS.includes(name) && value ? new Date(value).toISOString() : String(value);
  return html`<details><summary>${recordWords(record)}</summary><dl class="facts">${Object.entries(record).filter(([, value]) => value !== null && value !== "").map(([name, value]) => html`<div><dt>${name}</dt><dd class="mono">${shown(name, value)}</dd></div>`)}</dl></details>`;
}

// What a dry run needs to know of a call: the number in the form in which it came, and where she is.
function decisionOf(found) {
  const begin = found.messages.find(each => !each.sent && each.components && each.components[0] && each.components[0].argument);
  const argument = begin ? begin.components[0].argument : {};
  const called = argument.calledPartyNumber || argument.calledPartyBCDNumber || {};
  const place = argument.locationInformation || {};
  const international = /international/i.test(called.nature || called.natureOfAddress || called.type || "");
  const body = { b_number: (international ? "+" : "") + found.call.attempt.b_number };
  if (found.call.attempt.trigger) body.trigger = found.call.attempt.trigger;
  const vlr = place.vlrNumber || place["vlr-number"];
  if (vlr && /^[1-9][0-9]{4,14}$/.test(vlr.digits || "")) body.vlr = vlr.digits;
  if (found.call.attempt.service_key >= 0) body.service_key = found.call.attempt.service_key;
  return body;
}

const e164 = run => (run.path.find(step => step.condition === "subscriber") || {}).value || "";

export function Path({ run }) {
  return html`<${Steps} path=${run.path}><b>${run.action}${run.number ? " " + run.number : ""}</b>, ${run.reason}: ${run.explanation}<//>`;
}

// ---- subscriber

export function SubscriberPage({ calls, query, session }) {
  const asked = (query.get("number") || "").replace(/^\+|\s/g, "");
  const [typed, type] = useState(asked);
  return html`<h1>Subscriber</h1>
    <form class="row" onSubmit=${event => { event.preventDefault(); location.hash = `#/subscriber?number=${encodeURIComponent(typed.replace(/^\+|\s/g, ""))}`; }}>
      <label>Number, E.164<input type="search" inputmode="tel" value=${typed} onInput=${event => type(event.target.value)} /></label><button class="primary">Show</button></form>
    ${asked ? html`<${Subscriber} key=${asked} msisdn=${asked} calls=${calls} session=${session} />` : null}`;
}

const MONEY = /^(reserve|extend|commit|release|credit )/;

function Subscriber({ msisdn, calls, session }) {
  const [found, set] = useState(undefined);
  const [account, setAccount] = useState(null);
  const [changes, setChanges] = useState([]);
  const [lacks, setLacks] = useState("");
  const [reserved, setReserved] = useState([]);
  const [devices, setDevices] = useState(null);
  const [problem, fail] = useState("");
  const may = scope => session.scopes.includes(scope);
  async function load() {
    try {
      set(await look(`/v1/subscribers/${msisdn}`));
      const { changes: said, problem: lacks } = await ask("GET", `/v1/changes?number=${msisdn}&limit=50`);
      setChanges(said);
      setLacks(lacks);
      if (may("charging")) {
        setAccount(await look(`/v1/charging/accounts/${msisdn}`));
        const ids = [...new Set(said.filter(each => MONEY.test(each.what) && each.after && each.after.id).map(each => each.after.id))].slice(0, 10);
        setReserved((await Promise.all(ids.map(id => look(`/v1/charging/reservations/${encodeURIComponent(id)}`)))).filter(Boolean));
      }
      if (session.devices) setDevices(await look(`/v1/devices/${msisdn}`));
      fail("");
    } catch (error) { fail(error.message); }
  }
  useEffect(() => { load(); }, [msisdn]);
  async function change(method, path, body) {
    try { await ask(method, path, body); } catch (error) { fail(error.message); return; }
    load();
  }
  const recent = calls.filter(each => [each.attempt.a_number, each.attempt.b_number].some(text => text && (text === msisdn || text.endsWith(msisdn.slice(-9))))).slice(0, 30);
  const placed = found && found.roaming !== null ? changes.find(each => each.after && each.after.roaming === found.roaming && each.after.vlr === found.vlr && (!each.before || each.before.roaming !== found.roaming || each.before.vlr !== found.vlr)) : null;
  const yes = value => value === null || value === undefined ? "not known" : value ? "yes" : "no";
  return html`${problem ? html`<p class="notice" role="alert">${problem}</p>` : null}
    <h2>${msisdn}</h2>
    ${found === null ? html`<p>No record: the operator has not authorized this number, and nothing else is set.</p>` : null}
    ${found ? html`<dl class="facts">
      <div><dt>Authorized (operator)</dt><dd>${yes(found.authorized)} <span class="mono dim">${found.imsi || ""}</span></dd></div>
      <div><dt>Registered (VoIP service)</dt><dd>${yes(found.registered)} <span class="mono dim">${found.aor || ""}</span></dd></div>
      <div><dt>Forwarding (subscriber)</dt><dd>${found.forwarding ? `on, ${found.when}` : "off"} <span class="mono dim">${(found.locations || []).join(" ")} ${found.forwarding_number || ""}</span></dd></div>
      <div><dt>Place</dt><dd>${found.roaming === null ? "not known" : found.roaming ? "abroad" : "at home"} <span class="mono dim">${found.vlr ? `VLR ${found.vlr}` : ""}</span>${placed ? html` <span class="dim">set ${age(Date.parse(placed.time))}</span>` : null}</dd></div>
      ${account ? html`<div><dt>Balance</dt><dd>${money(account.balance, account.currency)}, ${money(account.held, account.currency)} of it held</dd></div>` : null}
    </dl>` : null}
    <div class="row">
      ${may("authorization") && found !== undefined ? html`<button onClick=${() => change(found && found.authorized ? "DELETE" : "PUT", `/v1/authorizations/${msisdn}`, found && found.authorized ? undefined : {})}>${found && found.authorized ? "End the authorization" : "Authorize"}</button>` : null}
      ${may("forwarding") && found ? html`<button onClick=${() => change("PUT", `/v1/forwarding/${msisdn}`, { enabled: !found.forwarding, when: found.when, locations: found.locations || [] })}>Switch forwarding ${found.forwarding ? "off" : "on"}</button>` : null}
      ${may("forwarding") && found && found.when !== "locations" ? html`<label>Forward<select value=${found.when} onChange=${event => change("PUT", `/v1/forwarding/${msisdn}`, { enabled: found.forwarding, when: event.target.value })}><option value="always">always</option><option value="roaming">while roaming</option></select></label>` : null}
      ${may("registration") && found && found.registered ? html`<button onClick=${() => confirm(`End the registration of ${msisdn}? Its forwarding ends too.`) && change("DELETE", `/v1/registrations/${msisdn}`)}>End the registration</button>` : null}
      ${may("forwarding") && found && found.roaming !== null ? html`<button onClick=${() => change("DELETE", `/v1/roaming/${msisdn}`)}>Forget where the subscriber is</button>` : null}
      ${may("trace") ? html`<${Trace} msisdn=${msisdn} />` : null}
    </div>
    ${session.whereabouts ? html`<${Whereabouts} key=${msisdn} msisdn=${msisdn} />` : null}
    ${may("authorization") && may("charging") ? html`<${Credit} msisdn=${msisdn} account=${account} change=${change} />` : null}
    ${devices ? html`<h2>Devices</h2>${devices.problem ? html`<p class="notice">The VoIP service does not say: ${devices.problem}</p>` : html`<p>${devices.registered} registered now</p>
      <ul>${devices.devices.map(each => html`<li key=${each.id}><span class="mono">${each.id}</span> ${each.label} <span class=${"pill " + (each.state === "active" ? "pass" : "warn")}>${each.state}</span></li>`)}</ul>`}` : null}
    ${reserved.length ? html`<h2>Reservations</h2><div class="scroll" tabindex="0" role="region" aria-label="Reservations"><table><thead><tr><th scope="col">Call</th><th scope="col">State</th><th scope="col" class="number">Granted</th><th scope="col" class="number">Used</th><th scope="col" class="number">Charged</th></tr></thead>
      <tbody>${reserved.map(each => html`<tr key=${each.id}><td class="mono">${each.call_id}</td><td>${each.state}</td><td class="number">${each.granted_seconds} s</td><td class="number">${each.used_seconds} s</td><td class="number">${money(each.charged, each.currency)}</td></tr>`)}</tbody></table></div>` : null}
    <h2>Recent changes</h2>
    ${lacks ? html`<p class="notice">Those through other nodes may lack: ${lacks}</p>` : null}
    ${changes.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="Recent changes"><table class="stack changes"><thead><tr><th scope="col">When, UTC</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">Field</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
      <tbody>${changes.flatMap((each, at) => differences(each).map(([name, before, after], line) => html`<tr key=${`${at} ${name}`} class=${line ? "more" : ""}><td class="dim when">${line ? "" : moment(each.time)}</td><td>${line ? "" : each.who}${!line && each.node ? html` <span class="dim">at ${each.node}</span>` : null}</td><td title=${each.what}>${line ? "" : done(each.what)}</td><td>${name}</td><td class="mono" data-name="before">${before}</td><td class="mono" data-name="after">${after}</td></tr>`))}</tbody></table></div>` : html`<p class="dim">None among the latest 2,000 of all numbers.</p>`}
    <${WhatIf} msisdn=${msisdn} />
    <h2>Calls since this console was opened</h2>
    ${recent.length ? html`<${CallTable} calls=${recent} />` : html`<p class="dim">None.</p>`}`;
}

const moment = text => since(text).replace(" UTC", "");
const DONE = [[/^PUT .*authorizations/, "authorized"], [/^DELETE .*authorizations/, "authorization ended"], [/^PUT .*registrations/, "registered"], [/^DELETE .*registrations/, "registration ended"], [/^PUT .*forwarding/, "forwarding set"],
  [/^PUT .*roaming/, "place set"], [/^DELETE .*roaming/, "place forgotten"], [/^PUT .*traces/, "trace begun"], [/^DELETE .*traces/, "trace ended"], [/^DELETE .*calls/, "call released"], [/^POST .*import/, "import"]];
const done = what => (DONE.find(([pattern]) => pattern.test(what)) || [0, what])[1];
// How long ago a time was.
function age(ms) {
  const seconds = Math.max(0, (Date.now() - ms) / 1000);
  for (const [unit, length] of [["d", 86_400], ["h", 3600], ["min", 60]]) if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit} ago`;
  return `${Math.floor(seconds)} s ago`;
}

// Where the HLR says that the subscriber is: it is asked when somebody wants to know.
function Whereabouts({ msisdn }) {
  const [place, set] = useState(null);
  const [problem, fail] = useState("");
  const find = () => ask("GET", `/v1/whereabouts/${msisdn}`).then(found => { set(found); fail(""); }, error => { set(null); fail(error.message); });
  return html`<p><button onClick=${find}>Where does the HLR say it is?</button> ${place ? html`<span role="status">${place.roaming === null ? "at" : place.roaming ? "abroad, at" : "at home, at"} VLR <span class="mono">${place.vlr}</span>, ${place.state}; it was there ${age(Date.now() - 1000 * place.age_s)}</span>` : null}
    ${problem ? html`<span class="fail" role="alert">${problem}</span>` : null}</p>`;
}

const plainly = value => value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value);

// What a change has changed: [field, before, after].
function differences(change) {
  const before = change.before || {}, after = change.after || {};
  if (!change.before || !change.after) { // something new, or gone: as one
    const all = Object.entries(change.after || before).filter(([, value]) => value !== null && value !== "" && value !== false && !(Array.isArray(value) && !value.length)).map(([name, value]) => `${name} ${plainly(value)}`).join(", ");
    return [["", change.before ? all : "–", change.after ? all : "–"]];
  }
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(name => name !== "version" && JSON.stringify(before[name] ?? null) !== JSON.stringify(after[name] ?? null));
  return names.length ? names.map(name => [name, plainly(before[name]), plainly(after[name])]) : [["", "–", "–"]];
}

function Credit({ msisdn, account, change }) {
  const [amount, type] = useState("");
  const [payment, name] = useState(() => `console-${Date.now().toString(36)}`);
  function pay(event) {
    event.preventDefault();
    change("PUT", `/v1/charging/accounts/${msisdn}/credits/${encodeURIComponent(payment)}`, { amount: Number(amount) });
    type("");
    name(`console-${Date.now().toString(36)}`);
  }
  return html`<form class="row" onSubmit=${pay}><label>Add to the balance, minor units${account ? ` of ${account.currency}` : ""}<input type="number" step="1" required value=${amount} onInput=${event => type(event.target.value)} /></label>
    <label>Payment's id<input required maxlength="128" value=${payment} onInput=${event => name(event.target.value)} /></label><button>Add</button></form>`;
}

const TRIGGERS = { terminating: "as a call to this number (terminating)", originating: "at the caller's switch (originating)", forwarded: "after a diversion (forwarded)" };

// What would happen to a call to this number, or from it, there: a dry run of the node, nothing is changed.
function WhatIf({ msisdn }) {
  const [form, set] = useState({ calls: "no", other: "", trigger: "terminating", vlr: "", redirecting_number: "" });
  const [run, setRun] = useState(null);
  const [problem, fail] = useState("");
  const type = name => event => set({ ...form, [name]: event.target.value });
  const plain = text => text.replace(/^\+|\s/g, "");
  const own = form.calls === "yes";
  async function go(event) {
    event.preventDefault();
    const body = own ? { a_number: "+" + msisdn, b_number: form.other.trim(), trigger: "originating" } : { b_number: "+" + msisdn, trigger: form.trigger };
    if (!own && form.other.trim()) body.a_number = form.other.trim();
    if (form.vlr) body.vlr = plain(form.vlr);
    if (!own && form.redirecting_number) { body.redirecting_number = form.redirecting_number; body.redirections = 1; }
    try { setRun(await ask("POST", "/v1/decisions", body)); fail(""); } catch (error) { setRun(null); fail(error.message); }
  }
  return html`<h2>What would happen now, there</h2>
    <form class="row" onSubmit=${go}>
      <label>This number<select value=${form.calls} onChange=${type("calls")}><option value="no">is called</option><option value="yes">calls</option></select></label>
      <label>${own ? "Number called, as dialled" : "Calling number"}<input inputmode="tel" required=${own} value=${form.other} onInput=${type("other")} /></label>
      ${own ? null : html`<label>The switch asks<select value=${form.trigger} onChange=${type("trigger")}>${Object.entries(TRIGGERS).map(([each, words]) => html`<option value=${each}>${words}</option>`)}</select></label>`}
      <label>There: VLR number<input inputmode="tel" value=${form.vlr} onInput=${type("vlr")} /></label>
      ${own ? null : html`<label>Redirecting number<input inputmode="tel" value=${form.redirecting_number} onInput=${type("redirecting_number")} /></label>`}
      <button class="primary">Try it</button></form>
    ${problem ? html`<p class="notice" role="alert">${problem}</p>` : null}${run ? html`<${Path} run=${run} />` : html`<p class="dim">Nothing is changed, and no switch is asked.</p>`}`;
}

// ---- health

// A line of the runbook: **bold** and `code` as such, a link as its words.
function formatted(line) {
  return line.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").split(/(\*\*[^*]+\*\*|`[^`]+`)/).map(part =>
    part.startsWith("**") ? html`<b>${part.slice(2, -2)}</b>` : part.startsWith("`") ? html`<code>${part.slice(1, -1)}</code>` : part);
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
      ${each.runbook ? html`<div class="runbook">${each.runbook.split("\n").map(line => html`<p>${formatted(line)}</p>`)}</div>` : null}</details>`)}
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

export function HealthPage({ overview }) {
  const [discards, set] = useState(null);
  const [problem, fail] = useState("");
  useEffect(() => { ask("GET", "/v1/discards").then(found => set(found.discards), error => fail(error.message)); }, []);
  if (!overview) return html`<h1>Health</h1><p class="dim">Waiting for the node …</p>`;
  const checks = Object.entries(overview.checks).flatMap(([group, each]) => each.map(check => ({ group, check }))).sort((a, b) => order(a.check) - order(b.check));
  return html`<h1>Health: <span class=${overview.status}>${STATES[overview.status]}</span></h1>
    ${overview.why_not_ready.map(reason => html`<p class="notice">${reason}</p>`)}
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

const order = check => ["fail", "warn", "pass"].indexOf(check.status);
