// What the pages share: numbers, times, amounts and states as people read them.

export const number = value => value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
export const since = text => text ? text.replace("T", " ").slice(0, 19) + " UTC" : "";
export const moment = text => since(text).replace(" UTC", "");

// How long something has been so, in its two largest units.
export function long(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  for (const [unit, length, less, shorter] of [["d", 86_400, "h", 3600], ["h", 3600, "min", 60]]) if (seconds >= length) return `${Math.floor(seconds / length)} ${unit} ${Math.floor((seconds % length) / shorter)} ${less}`;
  return `${Math.floor(seconds / 60)} min`;
}
export const age = ms => `${long(Date.now() - ms)} ago`;

// An amount as people have it; the API has minor units.
export function money(amount, currency) {
  if (!currency) return `${amount || 0} minor units`;
  try {
    const places = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
    return `${((amount || 0) / 10 ** places).toFixed(places)} ${currency}`;
  } catch { return `${amount || 0} minor units of ${currency}`; } // no currency's code
}

// What a check's status means, of a part and of the node as a whole.
export const STATES = { pass: "in order", warn: "warning", fail: "does not work" };
export const NODE_STATES = { pass: "in order", warn: "takes calls, with warnings", fail: "steers no calls" };
export const GROUPS = { "m3ua:association": "association", "m3ua:asp": "ASP", "m3ua:as": "AS", "m3ua:destination": "destination", "m3ua:network-indicator": "network indicator", "sctp:path": "SCTP path", "sccp:subsystem": "subsystem",
  "store:records": "subscribers' records", "charging:records": "CDRs", "charging:ledger": "accounts and reservations", "charging:function": "charging", "map:hlr": "HLR", "map:arming": "mobility events that the HLR is to report", "messages:smsc": "SMSC", "messages:queue": "text messages",
  "node:guardian": "guardian process", "node:identity": "identity of this node", "node:journal": "journal of held calls", "node:recording": "recording of messages", "node:traces": "numbers traced" };
export const named = group => GROUPS[group] || group;
export const order = check => ["fail", "warn", "pass"].indexOf(check.status);
