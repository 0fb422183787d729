// A call as a ladder: a message an arrow, its decoded form behind it.
import { html } from "./preact.js";

export function words(message) {
  const parts = (message.components || []).map(each => each.operation || each.error || each.problem || each.type);
  const kind = message.tcap ? message.tcap.type || "undecodable" : message.sccp ? message.sccp.type || "SCCP" : "message";
  return kind + (parts.length ? ": " + parts.join(" + ") : "");
}

export function clock(ms) {
  return new Date(ms).toISOString().slice(11, 23);
}

export function Ladder({ messages, peer }) {
  const first = messages.length ? messages[0].time_ms : 0;
  return html`<div class="ladder">
    <div class="parties"><span>${peer || "gsmSSF"}</span><span>gsmSCF (this node)</span></div>
    ${messages.map(message => {
      const { time_ms, link, sent, octets, ...decoded } = message;
      return html`<details class=${"arrow " + (sent ? "said" : "heard")}>
        <summary>${clock(time_ms)} <span class="dim">+${(time_ms - first).toFixed(1)} ms</span> · ${words(message)}<span class="shaft"></span></summary>
        <pre tabindex="0">${JSON.stringify(decoded, null, 2)}</pre>
        <p class="dim">link ${link}, M3UA, for <code>camel-scp decode --hex</code>:</p><pre tabindex="0">${octets}</pre>
      </details>`;
    })}
    ${messages.length ? null : html`<p class="dim">No message of it is kept.</p>`}
  </div>`;
}
