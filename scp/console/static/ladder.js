// A call as a ladder: its parties side by side, a message an arrow, its decoded form behind it.
import { Octets } from "./octets.js";
import { html, useState } from "./preact.js";
import { sentence } from "./story.js";

export const SWITCH = "switch (gsmSSF)", NODE = "gsmSCF (node)", HLR = "HLR";
const LAST = ["SIP proxy", "devices"];

export function words(message) {
  const parts = (message.components || []).map(each => each.operation || each.error || each.problem || each.type);
  const kind = message.tcap ? message.tcap.type || "undecodable" : message.sccp ? message.sccp.type || "SCCP" : "message";
  return kind + (parts.length ? ": " + parts.join(" + ") : "");
}

export function clock(ms) {
  return new Date(ms).toISOString().slice(11, 23);
}

// What the node said and heard, and what the VoIP service told, as one list in the order of time.
export function rungs(messages, sip) {
  const ss7 = messages.map(message => {
    const { time_ms, link, sent, octets, parts, party, ...decoded } = message;
    const other = party || SWITCH;
    return { time_ms, source: sent ? NODE : other, target: sent ? other : NODE, text: words(message), said: sentence(message), decoded, octets, parts, link };
  });
  const whole = (sip || []).some(event => event.octets); // then what is told in words of a message says nothing new
  const sipped = (sip || []).filter(event => !whole || event.octets || event.source === event.target || event.source === NODE)
    .map(event => ({ time_ms: event.time_ms, source: event.source, target: event.target, text: whole && !event.octets && event.message === "BYE" ? "the call is over" : event.message, details: event.details, ...(event.octets ? sipMessage(event.octets) : {}) }));
  return [...ss7, ...sipped].sort((a, b) => a.time_ms - b.time_ms);
}

// A SIP message: its lines (RFC 3261 §7) as fields, each with its octets, from the first line to the body.
export function sipMessage(octets) {
  const bytes = (octets.match(/../g) || []).map(each => parseInt(each, 16));
  const text = new TextDecoder("latin1").decode(new Uint8Array(bytes)); // an octet a character: offsets stay
  const readable = (from, to) => new TextDecoder().decode(new Uint8Array(bytes.slice(from, to)));
  const parts = [];
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf("\r\n", at), to = end < 0 ? text.length : end + 2;
    if (end === at) { // the empty line: what follows is the body
      if (to < text.length) parts.push({ name: "body", from: to, to: text.length, value: "", parts: lines(text, to, readable) });
      break;
    }
    const line = readable(at, end < 0 ? to : end), colon = line.indexOf(":");
    parts.push(at && colon > 0 ? { name: line.slice(0, colon), from: at, to, value: line.slice(colon + 1).trim() } : { name: at ? "line" : "start line", from: at, to, value: line });
    at = to;
  }
  return { octets, parts };
}

function lines(text, from, readable) {
  const found = [];
  for (let at = from; at < text.length;) {
    const end = text.indexOf("\n", at), to = end < 0 ? text.length : end + 1;
    const line = readable(at, to).trim();
    found.push({ name: line.slice(0, 2) || "line", from: at, to, value: line.slice(2) });
    at = to;
  }
  return found;
}

function partiesOf(events, first) {
  const seen = new Set(first);
  for (const each of events) { seen.add(each.source); seen.add(each.target); }
  const last = LAST.filter(each => seen.has(each));
  return [...[...seen].filter(each => !LAST.includes(each)), ...last];
}

// Half columns: a party stands in the middle of two, an arrow goes from middle to middle.
function Lane({ event, parties }) {
  const from = parties.indexOf(event.source), to = parties.indexOf(event.target);
  const style = from === to ? { gridColumn: `${2 * from + 1} / ${2 * from + 3}` } : { gridColumn: `${2 * Math.min(from, to) + 2} / ${2 * Math.max(from, to) + 2}` };
  return html`<span class="lane" style=${{ gridTemplateColumns: `repeat(${2 * parties.length}, minmax(0, 1fr))` }}><span class=${from === to ? "spot" : from < to ? "shaft right" : "shaft left"} style=${style}></span></span>`;
}

// What stands behind a message: its fields, its octets, what it says in words.
export function Behind({ event }) {
  return html`${event.details ? html`<dl class="facts">${Object.entries(event.details).map(([name, value]) => html`<div><dt>${name}</dt><dd class="mono">${value}</dd></div>`)}</dl>` : null}
    ${event.octets ? html`<${Octets} octets=${event.octets} parts=${event.parts} />` : null}
    ${event.decoded ? html`<details class="json" open=${!event.octets}><summary>All of it as JSON</summary><pre tabindex="0">${JSON.stringify(event.decoded, null, 2)}</pre></details>` : null}`;
}

function Rung({ event, parties, first }) {
  const [open, show] = useState(false);
  const way = event.source === event.target ? event.source : `${event.source} → ${event.target}`;
  return html`<details class="arrow" onToggle=${toggled => show(toggled.currentTarget.open)}>
    <summary><span class="dim">${event.time_ms ? clock(event.time_ms) : ""} +${(event.time_ms - first).toFixed(1)} ms</span> · ${event.text} <span class="dim">${way}</span>${event.said ? html`<span class="said">${event.said}</span>` : null}<${Lane} event=${event} parties=${parties} /></summary>
    ${open ? html`<${Behind} event=${event} />` : null}
    ${open && event.link ? html`<p class="dim">link ${event.link}; octets for <code>camel-scp decode --hex</code></p>` : null}
  </details>`;
}

export function Ladder({ events, parties }) {
  const shown = partiesOf(events, parties || [SWITCH, NODE]);
  const first = events.length ? events[0].time_ms : 0;
  return html`<div class="ladder">
    <div class="parties" style=${{ gridTemplateColumns: `repeat(${shown.length}, minmax(0, 1fr))` }}>${shown.map(each => html`<span>${each}</span>`)}</div>
    ${events.map((event, at) => html`<${Rung} key=${at} event=${event} parties=${shown} first=${first} />`)}
    ${events.length ? null : html`<p class="dim">No message of it is kept.</p>`}
  </div>`;
}
