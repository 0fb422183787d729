"""A configuration with every key, as a file to start from."""

from typing import Final

EXAMPLE: Final = """\
# camel-scp. Keys that are commented out show what else there is; those with a value there show the default.
# Secrets (store.url, sha256) may be given as "env:NAME" or "file:PATH".

[node]
name = "scp-1"                        # unique among the nodes of one Redis: in logs, in ids and files of CDRs
instance = 1                          # 0..255, unique among running processes: part of transaction ids
point_code = "0-23-1"                 # ITU 3-8-3, or an integer
network_indicator = "international"   # international | national | reserved | spare
other_network_indicator = "answer"    # answer (with it) | discard: what DATA with another one gets
guardian = true                       # a second process answers the calls of one that is killed
# also = ["0-23-2"]                   # further point codes of ours: what comes to one is answered from it

[sccp]
ssn = 146                             # CAP; [146, 147]: several subsystems
# global_title = "46700000001"        # own address in answers; without it the received called address
allowed_callers = []                  # GT prefixes or point codes that may open dialogues; empty = all
# return_on_error = "open"            # never | open (in open dialogues) | always: what asks for its return
# concerned = ["0-1-1"]               # told (SSA, SSP) as this node comes and goes; not where nodes share one
# reassembly_s = 15.0                 # how long segments of a long message are waited for

# [[sccp.translations]]               # where messages to global titles go; none: where the question came from
# prefix = "4670"                     # of the title; the longest that fits counts
# point_codes = ["0-1-1", "0-1-2"]
# mode = "primary-backup"             # primary-backup | loadshare (by SLS)

# [networks.national]                 # a further SS7 network that the node stands in: peers name it as theirs
# network_indicator = "national"
# point_code = "2-10-3"
# also = ["2-10-4"]                   # these point codes, translations and concerned are this network's own …
# concerned = ["2-10-1"]
# translations = [{ prefix = "46", point_codes = ["2-10-1"] }]
# ssn = 146                           # … these, if left out, are those of [sccp] and [node]
# global_title = "46700000002"        # "": the received called address
# allowed_callers = ["46"]
# other_network_indicator = "discard"

[[m3ua.peers]]
name = "stp-a"
transport = "sctp"                    # sctp | tcp
role = "asp"                          # asp | asp-listen | ipsp | ipsp-listen (…-listen: the peer connects)
remote = ["10.0.0.1", "10.0.1.1"]     # all addresses of the one peer; …-listen: who may connect
local = []                            # our addresses; empty: the system chooses
port = 2905                           # the peer's; …-listen: ours
# local_port = 0                      # ours when we connect; 0: the system chooses
routing_context = 1                   # [1, 2]: several in this association; none where the gateway wants none
# network_appearance = 1              # or one for each routing context: [1, 2]
# asp_identifier = 1
traffic_mode = "loadshare"            # loadshare | override | broadcast | unspecified
# network = "national"                # one of [networks]; without it that of [node] and [sccp], "default";
                                      # a list: one for each of routing_context, else by network indicator
# destinations = ["0-1-1"]            # point codes behind this peer; empty = all
# heartbeat_s = 0                     # 0: none; without it none over SCTP, 30 over TCP

# [m3ua.peers.routing_key]            # REG REQ in place of routing_context; an empty table: all to us
# point_code = "0-23-1"               # our own in the peer's network
# origins = ["0-1-1"]                 # originating point codes; none: all
# service_indicators = [3]            # SCCP alone; none: all, which every gateway takes

# [m3ua.peers.timers]
# ack_s = 2.0                         # T(ack): until a request is sent again
# attempts = 3                        # requests without an answer before starting anew
# retry_s = 10.0                      # after a refusal
# congestion_s = 10.0                 # how long a SCON holds
# recovery_s = 2.0                    # T(r), ipsp-listen: messages wait so long for a peer that went inactive
# connect_s = 5.0                     # one attempt to connect
# reconnect_first_s = 0.5             # until the next attempt, doubled with each …
# reconnect_most_s = 30.0             # … up to this

# [m3ua.peers.sctp]                   # RFC 9260 §16
# rto_initial_s = 1.0
# rto_min_s = 0.3                     # above the delay of the peer's SACKs (0.2 as a rule)
# rto_max_s = 3.0
# heartbeat_s = 10.0                  # how often an idle path is tested; 0: never
# path_retransmissions = 3            # … without an answer: the path is down (traffic has left it after one)
# association_retransmissions = 6     # … without an answer on any path: the association is down
# init_attempts = 8
# streams = 17                        # one for management, one for each SLS
# library = ""                        # "pysctp": by that library; no version up to 0.7.3 is taken

[store]
url = "sqlite:camel-scp.db"           # sqlite:PATH | redis://… | redis+sentinel://… | redis+cluster://…
deadline_ms = 150                     # 1..900, below engine.answer_deadline_ms
on_failure = "continue"               # continue | release: what a call gets when the store can't say

[engine]
max_dialogues = 100000                # beyond it: resourceLimitation
answer_deadline_ms = 400              # 10..900: every InitialDP is answered by then; Tssf is 1 s at least
dialogue_limit_s = 90000.0            # a dialogue without messages is given up
codec = "fast"                        # fast | reference
strict = false                        # true: reject operations for optional parameters that can't be read

[journal]                             # of held calls, in the store: they outlive the process
enabled = false
deadline_ms = 50                      # 1..500: what is not written by then leaves all the same, counted
# listen = "10.0.0.11:2906"           # with Redis: where other nodes bring messages of this node's calls

[overload]                            # new calls only; those in progress go on
delay_ms = 200                        # 10..900: one that waited longer is continued without a lookup
refuse_ms = 400                       # above that: one that waited longer is refused, resourceLimitation
memory_mb = 0                         # of the process; 0: what its control group, or the machine, has
call_gap_s = 10                       # how long switches are asked for fewer calls (CAP v3, v4); 0: not

[limits]                              # new calls above are continued without a lookup; 0: no limit
peer_rate = 0.0                       # calls a second of each peer …
peer_burst = 0.0                      # … and at once; 0: those of a second
caller_rate = 0.0                     # calls a second of each calling address, a switch …
caller_burst = 0.0                    # … and at once
unusual_rate = 1000.0                 # of each peer's those in a form that takes 0.25 ms to read

[numbering]
country_code = "46"
international_prefix = "00"           # or several: ["00", "011"]
national_prefix = "0"
# national_lengths = [10]             # of numbers dialled without that prefix as well: North America
never_steer = ["112", "911"]          # exact numbers; emergency and short codes
home_vlr = ["4670"]                   # VLR numbers that begin so are the home network: elsewhere is roaming

[services.voip-forwarding]
service_keys = [100]
prefix = "99"                         # or suffix = "…"
digits = "as-dialled"                 # as-dialled | international | national
nature = "keep"                       # keep | unknown | national | international | network-specific
# max_redirections = 5                # 1..5: a call that was diverted so often goes on unchanged
# rescue = true                       # in control: if the gateway fails, connect to the subscriber's line
# no_answer_s = 15                    # 1..2047, that either may ring; fewer than the network's own timer
# quiet_s = 1800                      # without a report: ActivityTest
# announce = "connecting"             # one of [announcements], heard before a call is connected
# ask_hlr = "needed"                  # off | needed (when = roaming, locations) | on: needs [map]
# on_silence = "stored"               # stored | continue: what decides if the HLR does not tell in time

# [map]                               # without it no MAP is spoken: deploy/map.md
# gateway = "0-1-1"                   # point code for global titles that no translation fits
# ssn = 147                           # gsmSCF; sccp.global_title is needed too
# hlr = "46700000006"                 # one that knows everybody; without it the subscriber's own number
# deadline_ms = 300                   # a call waits so long for a place …
# timeout_ms = 3000                   # … and the answer is remembered if it comes within this
# max_age_s = 60.0                    # a place that was learnt longer ago is asked again
# rate = 500.0                        # enquiries a second to one network
# most = 10000                        # in flight together
# failures = 20                       # silences in a row after which the HLR is left alone …
# rest_s = 5.0                        # … for so long
# mobility = true                     # take noteMM-Event: it sets the roaming flag
# allowed_callers = ["4670"]          # prefixes of titles that may send it; none: all that [sccp] allows
# check_sender = true                 # the VLR that it names has to be of its sender's network
# [map.arming]                        # have HLRs arm M-CSIs of those that forward abroad; without it by hand
# rate = 10.0                         # questions a second, of all nodes of one Redis …
# window = 16                         # … and open at once
# most_pause_s = 3600.0               # an HLR that does not answer is asked after pauses up to this
# refused_s = 86400.0                 # a refusal is asked again after this
# scan_s = 3600.0                     # all subscribers are looked through so often; the API's writes at once
# disarm = false                      # switch it off again for those that do so no more
# state = "sqlite:/var/lib/camel-scp/armed.db"   # without it in the store's Redis, or PATH.armed

# [announcements]                     # what a switch plays (its gsmSRF), by names that services know
# no-credit = { id = 5, cause = 31 }  # the message's number there; the cause of a release after it
# closed = { id = 9, srf = "46709000042" }   # played by an external gsmSRF with this number
# connecting = { id = 7, repetitions = 2, interval_s = 1, duration_s = 10, patience_s = 30.0 }

# [switches.vendor-a]                 # switches that do something otherwise than 29.078 has it
# point_codes = ["0-23-3"]            # whose: this counts first …
# global_titles = ["46709"]           # … then the longest of these …
# msc_numbers = ["46709"]             # … and of these
# charged_time = "since-answer"       # since-answer | by-period: a report counts from the one before
# abandon_report = true               # false: no charging report of a call that is abandoned

# [services.controlled]               # every call under control to its end; the settings of voip-forwarding,
# service_keys = [101]                # and without prefix and suffix none is steered

# [services.voip-forwarding.charging] # calls are charged as the switch measures them (CAP v2 and later)
# pays = ["caller", "forwarder"]      # whose calls are: caller | forwarder | roamer
# forwarded_by = "redirecting-number" # redirecting-number | redirection-indicator | absent-location
# free = ["4620"]                     # called numbers that cost nothing begin so …
# barred = ["46900"]                  # … and those that are not connected so
# first_s = 120                       # the first quota …
# next_s = 120                        # … and each further one
# least_s = 1                         # fewer seconds are no first quota
# withheld_s = 30                     # kept back until the money ends: the last period, with a tone
# prefetch_s = 0                      # before a period's end: the next quota is asked for; 0: at its end
# warning_s = 30                      # before the end, as CAP v4 tells the switch; 0: no tone
# longest_s = 14400
# denial_cause = 31                   # Q.850
# announce = "no-credit"              # one of [announcements], heard before the release
# down = "grace:60"                   # release | free | grace:SECONDS, while charging does not answer
# deadline_s = 5.0                    # of charging, for a quota
# reset_timer_s = 10                  # what a suspended switch is told to wait meanwhile
# unreadable_report = "release"       # release | continue
# lost_call = "reported"              # reported | granted: what is charged of a call that the switch lost
# report_s = 5.0                      # how long the last report is waited for

[charging]
# ledger = "sqlite:camel-scp.db.ledger" # as store.url; without it in the store's Redis, or beside its file
# records = "sqlite:camel-scp.db.cdr" # file of this node's CDRs; with Redis its name and .cdr: scp-1.cdr
call_records = true                   # a CDR for every call attempt
retention_days = 30
currency = "EUR"                      # amounts are integers in its minor unit
timezone = "UTC"                      # whose clock tariffs go by
max_minutes = 240                     # 1..1440, of one reservation
grace_s = 300                         # after its last minute, time to ring included, a reservation expires

# [[charging.tariffs]]                # the longest prefix of the called number counts; none: all are denied
# prefix = "46"                       # E.164 digits; "" is every number
# price = 12                          # minor units for per_seconds; rounded up once a call
# per_seconds = 60
# name = "Sweden"
# setup = 5                           # once an answered call
# minimum_seconds = 60                # the least that is billed
# increment_seconds = 1               # what is billed is a whole multiple of it
# [[charging.tariffs.bands]]          # other prices at times
# price = 20
# start = "08:00"
# end = "18:00"
# days = ["mon", "tue", "wed", "thu", "fri"]

# [charging.chf]                      # in place of tariffs: the operator's charging function (TS 32.291)
# url = "https://chf.example"
# rating_group = 1
# message_rating_group = 2            # of short messages under control; without it the same
# consumer = "camel-scp"              # our FQDN in nfConsumerIdentification
# functionality = "IMS_Node"
# deadline_ms = 2000                  # of a request, all attempts together
# attempt_ms = 800
# breaker_failures = 5                # without an answer in a row: left alone …
# breaker_rest_s = 5.0                # … for so long
# failure_handling = "terminate"      # terminate | continue: grant minutes while it can't be reached
# ca = "/etc/camel-scp/chf-ca.pem"
# certificate = "/etc/camel-scp/chf.pem"
# key = "/etc/camel-scp/chf.key"
# http2 = false                       # needs the extra http2

# [charging.ro]                       # or: the operator's online charging system, Diameter Ro (TS 32.299)
# servers = ["ocs1.example:3868", "ocs2.example:3868"] # the first that is well is asked
# origin_realm = "example.org"        # ours
# origin_host = "scp1.example.org"    # this node's name there; without it NAME.origin_realm
# destination_realm = "example.org"   # theirs; without it ours
# service_context = "32260@3gpp.org"
# rating_group = 1
# message_rating_group = 2            # of short messages; without it rating_group
# service_identifier = 1              # without it none is sent
# deadline_ms = 2000                  # of a request, all servers together
# tx_ms = 900                         # of one of them (Tx), if there is another
# watchdog_s = 30.0                   # of silence, until a server is asked whether it is there (Tw)
# reconnect_s = 5.0
# failure_handling = "retry-and-terminate" # terminate | retry-and-terminate | continue
# session_failover = false            # true: a session may go to another server, if answers say nothing
# tls = true                          # without it TCP alone
# ca = "/etc/camel-scp/ocs-ca.pem"
# certificate = "/etc/camel-scp/ocs.pem"
# key = "/etc/camel-scp/ocs.key"

# [messages]                          # without it the node sends no text messages
# by = "smpp"                         # smpp: to an SMSC | map: to the HLR and the serving MSC; needs [map]
# store = "sqlite:camel-scp.db.messages" # as store.url; without it in the store's Redis, or beside its file
# sender = "camel-scp"                # if a request names none: digits, or up to 11 characters
# validity_s = 86400                  # for so long a message is tried to be delivered
# in_doubt = "report"                 # report | repeat: what the SMSC may have or not
# retention_days = 7
# most_parts = 10                     # of a long text
# [messages.smpp]                     # the SMSC, by SMPP 3.4
# addresses = ["10.0.0.7:2775"]       # of several the next one, where one can't be reached
# system_id = "camel-scp"
# password = "env:CAMEL_SCP_SMPP_PASSWORD"
# system_type = ""
# bind = "transceiver"                # transceiver | separate: a transmitter and a receiver
# window = 10                         # submit_sm without an answer
# rate = 0.0                          # submit_sm a second; 0: as the window allows
# enquire_link_s = 30.0
# response_s = 30.0                   # then a message is in doubt
# long = "udh"                        # udh | sar | payload
# default_alphabet = "gsm7"           # gsm7 | latin1: what data_coding 0 means to the SMSC
# receipt_ids = "any"                 # any | same | decimal | hex: how receipts write the SMSC's message ids
# source_ton = 1                      # of senders; without it by what the sender is
# source_npi = 1
# [messages.smpp.tls]
# ca = "/etc/camel-scp/smsc-ca.pem"
# certificate = "/etc/camel-scp/smpp.pem"
# key = "/etc/camel-scp/smpp.key"
# server_name = "smsc.example"
# [messages.map]                      # for by = "map"
# service_centre = "46700000001"      # our address there; without it sccp.global_title
# window = 20                         # parts on their way at once

# [sms_control]                       # answers InitialDPSMS (CAP v3, v4) by the conditions for calls
# service_keys = [100]                # of SMS-CSIs
# originating = "continue"            # continue | steer: to smsc | bar: messages that a subscriber sends
# terminating = "continue"            # continue | bar: messages to a subscriber
# smsc = "46700000099"                # the VoIP side's service centre
# [sms_control.charging]              # without it messages are not charged
# pays = ["sent"]                     # sent | received: messages that the served subscriber pays for
# free = ["46701"]                    # prefixes of numbers that cost nothing
# denial_cause = 21                   # RP-Cause (TS 24.011) of a message that can't be paid
# down = "release"                    # release | free: while charging does not answer
# deadline_s = 2.0                    # … which it has done after so long
# report_s = 90.0                     # how long the report of a message is waited for
# unreported = "refund"               # refund | charge: a message of which nothing was reported
# furnish = false                     # the switch notes the reservation's id in its own record
# [[sms_control.charging.tariffs]]
# prefix = ""                         # of the recipient's number; of a received one's VLR
# price = 5                           # minor units of charging.currency
# name = "SMS"

[api]                                 # without this table there is no HTTP API and no console …
listen = "127.0.0.1:8080"
max_body = 65536                      # octets of a request
max_import = 268435456                # octets of a bulk import
rate = 200.0                          # requests a second of each key …
burst = 400                           # … and at once
release_cause = 31                    # Q.850: of held calls that are released by DELETE /v1/calls/{id}
console = true                        # the page /console: a browser and a token with scope read
# audit = "/var/log/camel-scp/audit.jsonl"   # numbers in full; without it: the log, masked as that is
# url = "https://scp-1.example:8080"  # where others find the API: for links between nodes' consoles
# [api.tls]
# certificate = "/etc/camel-scp/api.pem"
# key = "/etc/camel-scp/api.key"
# client_ca = "/etc/camel-scp/clients.pem"   # ask clients for certificates
# [api.voip]                          # the VoIP service's API: devices on the console's subscriber page
# url = "http://127.0.0.1:8082"
# token = "…"                         # of a key there with the scope operator
# [[api.keys]]                        # … and without a key every request is refused
# name = "operator"
# sha256 = "env:CAMEL_SCP_OPERATOR_SHA256"   # of the token: printf %s "$TOKEN" | sha256sum
# scopes = ["authorization","registration","forwarding","charging","read","trace","calls","messages","passes"]
# until = "2027-12-31"                 # its last day, UTC

[telemetry]
metrics = "127.0.0.1:9464"            # where Prometheus scrapes
log_level = "info"                    # debug | info | warning | error
calls_per_second = 10.0               # lines at info of calls that did not fail; at debug all
mask_numbers = true                   # numbers in logs by their first four digits only …
unmask_traced = false                 # … but those that are traced, in their own traces

# [recording]                         # without it nothing is recorded; files as Wireshark reads them
# folder = "/var/lib/camel-scp/recordings"
# peers = ["stp-a"]                   # none: all
# numbers = ["46701234567"]           # E.164: only the calls from and to these; none: every message
# file_mb = 64                        # then the next file is begun …
# files = 4                           # … and so many are kept
# rate = 200                          # messages a second; more are counted and left out
# mask = true                         # numbers, IMSIs, point codes and titles are replaced consistently
# key = "env:CAMEL_SCP_MASK_KEY"      # … the same in every recording; without it a new one at each start
"""
