// Replayed dialogues of a capture: what its SCP answered, what we would, and why they differ.
import { html, useState } from "./preact.js";
import { Ladder, SWITCH, words } from "./ladder.js";
import { condition, sentence } from "./story.js";

const PAGE = 50;
const THEIRS = "capture's SCP";

export function verdictWords(who) {
  return { same: "same answer", different: "different answer", unanswered: "no answer in the capture", silent: who === "we" ? "no answer of ours" : "no answer of the node's" };
}

// A decision as the way that it took: a question a stop, and where it ends.
export function Steps({ path, children }) {
  const went = step => step.outcome === "yes" || step.condition === "connect";
  return html`<ol class="steps">${path.map(step => html`<li class=${went(step) ? "" : "stop"}>${condition(step)} <span class="mono">${step.value}</span> <span class=${"pill " + (went(step) ? "pass" : "fail")}>${step.outcome}</span> <span class="dim">${step.condition}</span></li>`)}${children ? html`<li class="end">${children}</li>` : null}</ol>`;
}

// The capture's messages, and our answers where they are others, as events of a ladder.
function events(call, who) {
  const equal = call.verdict === "same";
  const answers = [...(call.ours_messages || [])];
  const found = [];
  const ours = message => ({ ...event(message, found.length ? found[found.length - 1].time_ms : 0), source: who, target: SWITCH, text: `${who === "we" ? "ours" : "the node's"} · ${words(message)}` });
  for (const message of call.messages || []) {
    const { from_switch, ...shown } = message;
    const note = !from_switch && equal ? (who === "we" ? " (ours is the same)" : " (the node's is the same)") : "";
    found.push({ ...event(shown, Date.parse(message.time) || 0), source: from_switch ? SWITCH : THEIRS, target: from_switch ? THEIRS : SWITCH, text: words(message) + note });
    if (!from_switch && !equal && answers.length) found.push(ours(answers.shift()));
  }
  if (!equal) for (const message of answers) found.push(ours(message));
  return found;
}

function event(message, time_ms) {
  const { octets, parts, ...decoded } = message;
  return { time_ms, decoded, octets, parts, said: sentence(message) };
}

function Differences({ call, who }) {
  if (!call.differences.length) return null;
  return html`<h3>Differences</h3>
    ${call.reason ? html`<p>${who === "we" ? "We answer" : "The node answers"} <b>${call.action} ${call.number || ""}</b> where the capture's SCP answered <b>${(call.theirs || []).join("; ") || "nothing"}</b>: ${call.explanation}</p>` : null}
    <div class="scroll" tabindex="0" role="region" aria-label="Differences"><table><thead><tr><th scope="col">Field</th><th scope="col">The capture's SCP</th><th scope="col">${who === "we" ? "We" : "The node"}</th></tr></thead>
      <tbody>${call.differences.map(each => html`<tr><td>${each.field}</td><td class="mono">${each.theirs || "–"}</td><td class="mono">${each.ours || "–"}</td></tr>`)}</tbody></table></div>`;
}

function Detail({ call, who }) {
  return html`<div>
    ${call.explanation && !call.differences.length ? html`<p><b>${call.action} ${call.number || ""}</b>: ${call.explanation}</p>` : null}
    ${(call.bugs || []).map(bug => html`<p class="notice">A service failed: <code>${bug}</code></p>`)}
    ${(call.notes || []).map(note => html`<p>${note}</p>`)}
    ${call.answer_ms === undefined ? null : html`<p class="dim">answered after ${call.answer_ms} ms</p>`}
    <${Differences} call=${call} who=${who} />
    ${call.path.length ? html`<h3>${who === "we" ? "Path of our decision" : "Path as configured here"}</h3><${Steps} path=${call.path} />` : null}
    ${call.messages ? html`<h3>Messages</h3><${Ladder} events=${events(call, who)} parties=${[SWITCH, THEIRS]} />` : null}</div>`;
}

function Dialogue({ call, who, open }) {
  const [shown, show] = useState(open);
  return html`<details class=${"call " + call.verdict} open=${open} onToggle=${event => show(event.currentTarget.open)}>
    <summary><span class="dim">frame ${call.frame}</span> <span class="mono">${call.a_number || "?"} → ${call.b_number || "?"}</span>: ${verdictWords(who)[call.verdict] || call.verdict}${call.reason ? `, ${call.action} ${call.reason}` : ""}</summary>
    ${shown ? html`<${Detail} call=${call} who=${who} />` : null}</details>`;
}

export function Dialogues({ calls, who, leftOut, openFirst }) {
  const [wanted, want] = useState({ text: "", verdict: "", reason: "" });
  const [most, more] = useState(PAGE);
  const parts = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = calls.filter(call => (!wanted.verdict || call.verdict === wanted.verdict) && (!wanted.reason || call.reason === wanted.reason) && (!parts.length || parts.every(part => JSON.stringify(call).toLowerCase().includes(part))));
  const verdicts = verdictWords(who);
  return html`<div class="row">
      <label>Search<input type="search" value=${wanted.text} onInput=${event => want({ ...wanted, text: event.target.value })} placeholder="number, IMSI, operation, reason …" /></label>
      <label>Verdict<select value=${wanted.verdict} onChange=${event => want({ ...wanted, verdict: event.target.value })}><option value="">every verdict</option>${Object.entries(verdicts).map(([name, text]) => html`<option value=${name}>${text}</option>`)}</select></label>
      <label>Reason<select value=${wanted.reason} onChange=${event => want({ ...wanted, reason: event.target.value })}><option value="">every reason</option>${[...new Set(calls.map(call => call.reason))].filter(Boolean).sort().map(each => html`<option value=${each}>${each}</option>`)}</select></label>
    </div>
    <p class="dim" role="status">${found.length.toLocaleString("en")} of ${calls.length.toLocaleString("en")} on this page${leftOut ? `; ${leftOut.toLocaleString("en")} more are counted only` : ""}</p>
    ${found.slice(0, most).map((call, at) => html`<${Dialogue} key=${call.dialogue} call=${call} who=${who} open=${openFirst && at === 0} />`)}
    ${found.length > most ? html`<button onClick=${() => more(most + PAGE)}>Show more</button>` : null}`;
}
