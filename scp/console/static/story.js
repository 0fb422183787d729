// What messages and conditions say, in words.

const digits = value => (value && (value.digits || value)) || "?";
const seconds = tenths => `${tenths / 10} s`;
const number = (argument, ...names) => { for (const name of names) if (argument[name]) return digits(argument[name]); return "?"; };
const first = value => (Array.isArray(value) ? value[0] : value) || {};
const EVENTS = { Answer: "answered", Disconnect: "hung up", NoAnswer: "nobody answers", Busy: "busy", Abandon: "the caller gave up", RouteSelectFailure: "not reachable", CalledPartyBusy: "busy", TermSeized: "it rings", NotReachable: "not reachable", MidCall: "a key was pressed" };
const SMS = { "o-smsSubmission": "submitted", "o-smsFailure": "not submitted", "t-smsDelivery": "delivered", "t-smsFailure": "not delivered" };

const event = name => EVENTS[(name || "").replace(/^[ot](?=[A-Z])/, "")] || EVENTS[(name || "").replace(/^[a-z]/, each => each.toUpperCase())] || name || "something";
const where = place => { const vlr = place && (place["vlr-number"] || place.vlrNumber); return vlr ? `, VLR ${digits(vlr)}` : ""; };
const time = info => info.timeIfNoTariffSwitch !== undefined ? seconds(info.timeIfNoTariffSwitch) : info.timeIfTariffSwitch ? `${seconds(info.timeIfTariffSwitch.timeSinceTariffSwitch || 0)} since the tariff switch` : "?";

const SAID = {
  initialDP: a => `the switch asks: ${number(a, "callingPartyNumber")} calls ${number(a, "calledPartyNumber", "calledPartyBCDNumber")}${a.eventTypeBCSM ? `, at ${a.eventTypeBCSM}` : ""}${where(a.locationInformation)}${a.redirectingPartyID ? `, diverted by ${digits(a.redirectingPartyID)}` : ""}`,
  connect: a => `the call goes to ${digits(first(a.destinationRoutingAddress))}${a.redirectingPartyID ? `, diverted by ${digits(a.redirectingPartyID)}` : ""}`,
  continue: () => "the call goes on as the switch has it",
  continueWithArgument: () => "the call goes on as the switch has it",
  releaseCall: a => { const cause = a.allCallSegments || a.cause || a; return `the node ends the call${cause.cause || cause.value ? `, cause ${cause.cause || cause.value}` : ""}`; },
  requestReportBCSMEvent: a => `the switch is to report: ${(a.bcsmEvents || []).map(each => event(each.eventTypeBCSM) + (each.monitorMode === "interrupted" ? ", and to wait then" : "")).join("; ")}`,
  eventReportBCSM: a => `the switch reports: ${event(a.eventTypeBCSM)}`,
  applyCharging: a => { const time = (a.aChBillingChargingCharacteristics || {}).timeDurationCharging || {}; return `${seconds(time.maxCallPeriodDuration || 0)} may be talked${time.releaseIfdurationExceeded ? ", then the switch ends the call" : ", then it asks for more"}`; },
  applyChargingReport: a => { const result = a.timeDurationChargingResult || a.callResult || a; return `${time(result.timeInformation || {})} were talked so far${result.legActive === false || result.callActive === false ? "; the call is over" : ""}`; },
  furnishChargingInformation: () => "the switch writes this into its own record",
  furnishChargingInformationSMS: () => "the switch writes this into its own record",
  connectToResource: () => "an announcement unit is connected",
  establishTemporaryConnection: a => `an announcement unit elsewhere is connected: ${digits(a.assistingSSPIPRoutingAddress)}`,
  disconnectForwardConnection: () => "the announcement unit is let go",
  disconnectForwardConnectionWithArgument: () => "the announcement unit is let go",
  playAnnouncement: a => { const id = (((a.informationToSend || {}).inbandInfo || {}).messageID || {}).elementaryMessageID; return a.informationToSend && a.informationToSend.tone ? "a tone is played" : `announcement ${id === undefined ? "" : id} is played`; },
  promptAndCollectUserInformation: () => "digits are asked for",
  specializedResourceReport: () => "the announcement has ended",
  assistRequestInstructions: () => "the announcement unit asks what to do",
  resetTimer: () => "the switch is asked for patience",
  activityTest: () => "is the call still there?",
  cancel: () => "what was asked for is taken back",
  callInformationRequest: () => "the switch is to report how the call was",
  callInformationReport: () => "the switch reports how the call was",
  anyTimeInterrogation: a => `where is ${digits((a.subscriberIdentity || {}).msisdn)}? the node asks the HLR`,
  sendRoutingInfo: a => `where is ${digits(a.msisdn)}? the node asks the HLR`,
  initialDPSMS: a => `the switch asks about a text message ${a.eventTypeSMS === "sms-DeliveryRequested" ? "to the subscriber" : `to ${number(a, "destinationSubscriberNumber", "calledPartyNumber")}`}`,
  connectSMS: a => `the message goes to the service centre ${digits(a.sMSCAddress)}`,
  continueSMS: () => "the message goes on as the switch has it",
  releaseSMS: () => "the message is refused",
  requestReportSMSEvent: () => "the switch is to report what becomes of the message",
  eventReportSMS: a => `the switch reports: ${SMS[a.eventTypeSMS] || a.eventTypeSMS}`,
};

function result(component) {
  const info = ((component.result || {}).subscriberInfo || {});
  if (!component.result) return "";
  const place = info.locationInformation;
  return place ? `the HLR says${where(place).slice(1) || ": no place"}${place.ageOfLocationInformation ? `, ${place.ageOfLocationInformation} min old` : ""}` : "";
}

// What a message says, a sentence a component; "" where there are no words for it.
export function sentence(message) {
  return (message.components || []).map(each => {
    try {
      if (each.type === "returnError") return `refused: ${each.error}`;
      if (each.type === "reject") return `rejected: ${each.problem}`;
      if (each.type.startsWith("returnResult")) return result(each);
      return SAID[each.operation] ? SAID[each.operation](each.argument || {}) : "";
    } catch { return ""; } // an argument of another form than any that is known
  }).filter(Boolean).join("; ");
}

const CONDITIONS = {
  "not-marked": ["Is it a number without our mark?", "it has the mark: it has been here"],
  "called-number": ["Can the called number be read?", "it can't"],
  redirections: ["Has it not been diverted by us before?", "it has, or too often"],
  subscriber: ["Is the called subscriber known?", "no record"],
  authorized: ["Has the operator authorized the number?", "it has not"],
  registered: ["Is it registered with the VoIP service?", "it is not"],
  forwarding: ["Has the subscriber switched forwarding on?", "it is off"],
  when: ["Does the subscriber's condition hold?", "it does not"],
  "forwarding-number": ["Can calls go to the number that is set?", "they can't"],
  connect: ["The call is connected to", ""],
};

export function condition(step) {
  const [question] = CONDITIONS[step.condition] || [step.condition];
  return question;
}
