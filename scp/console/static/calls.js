// Calls as they come, and one call: its messages as a ladder, its records, how it is decided.
import { html, useEffect, useState } from "./preact.js";
import { ask, look } from "./api.js";
import { clock, Ladder, rungs } from "./ladder.js";
import { money, number } from "./parts.js";
import { Steps } from "./replays.js";

export function CallTable({ calls }) {
  return html`<table class="calls"><thead><tr><th scope="col">Time</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Answer</th><th scope="col">Reason</th><th scope="col" class="number">ms</th></tr></thead>
    <tbody>${calls.map(call => html`<tr key=${call.number} class=${call.failed ? "failed" : ""}>
      <td><a href=${`#/calls/${call.attempt.id}`}>${clock(call.attempt.received_ms)}</a></td>
      <td class="mono">${call.attempt.a_number || "–"}</td><td class="mono">${call.attempt.b_number || "–"}</td>
      <td>${call.attempt.action} <span class="mono">${call.attempt.number || ""}</span></td>
      <td title=${call.explanation}>${call.attempt.reason}${call.failed ? html` <span class="pill fail">failed</span>` : null}</td><td class="number">${call.answer_ms.toFixed(1)}<span class="unit"> ms</span></td></tr>`)}</tbody></table>`;
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
      <button type="button" aria-pressed=${paused ? "true" : "false"} onClick=${() => pause(paused ? null : calls)}>${paused ? "Resume" : "Pause"}</button>
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
    <p>${found.call.failed ? html`<span class="pill fail">failed</span> ` : null}${found.call.explanation}</p>
    <dl class="facts">${Object.entries(facts).map(([name, value]) => html`<div><dt>${name}</dt><dd class="mono">${value}</dd></div>`)}</dl>
    <div class="row">${attempt.b_number ? html`<a class="button" href=${`#/subscriber?number=${encodeURIComponent(steps && e164(steps) || attempt.b_number)}`}>Subscriber called</a>` : null}
      ${session.scopes.includes("trace") && steps && e164(steps) ? html`<${Trace} msisdn=${e164(steps)} />` : null}</div>
    <h2>Messages</h2><${Ladder} events=${rungs(found.messages, found.sip)} />
    ${found.left_out ? html`<p class="dim">${found.left_out} more are not kept.</p>` : null}
    ${found.sip_call ? html`<p class="dim">The VoIP service's id of the call: <span class="mono">${found.sip_call}</span></p>` : null}
    ${session.scopes.includes("charging") ? html`<h2>Records</h2>${records.length ? records.map(each => html`<${Record} key=${each.seq} record=${each} />`) : html`<p class="dim">None is kept yet: a held call's is when it is over.</p>`}` : null}
    <h2>How this call would be decided now</h2>
    ${steps ? html`<p>${compared(attempt, steps)}</p><${Path} run=${steps} />` : whyNot ? html`<p>This can't be said: ${whyNot}.</p>` : null}`;
}

// What differs between a call's decision and the one that a dry run makes now.
function compared(attempt, run) {
  if (run.reason === attempt.reason && run.action === attempt.action) return "The same as when the call came:";
  return `When the call came, it was ${attempt.action}, ${attempt.reason}. What that depended on (the store, the record, the place, the configuration) is different now:`;
}

// Begins or ends a trace of a number: the log then has each message of its calls.
export function Trace({ msisdn }) {
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
  return `attempt: ${record.action}${record.number ? ` ${record.number}` : ""}, ${record.reason}${cost}`;
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
