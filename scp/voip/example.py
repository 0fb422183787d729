"""A ``voip.toml`` with every key, as a file to start from."""

from typing import Final

EXAMPLE: Final = """\
# camel-scp voip: the VoIP service. Keys that are commented out show what else there is.
# Secrets (token, password) may be given as "env:NAME" or "file:PATH".

[voip]
domain = "voip.example"               # of every address: sip:+MSISDN@voip.example; the digest's realm as well
name = "voip-1"
grace_s = 30.0                        # an identity stays registered so long after its last device has gone
calls_at_once = 1000                  # waiting for a decision; more go back to the switch at once

[numbering]                           # as in scp.toml
country_code = "46"
international_prefix = "00"
national_prefix = "0"
never_steer = ["112", "911"]          # go out as dialled, never charged

[sip]                                 # Kamailio: camel-scp voip kamailio-config makes its settings of this
listen = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]   # also tls:, ws:, wss:
# advertise = "192.0.2.1:5060"        # what others see of us behind NAT
brain = "127.0.0.1:8448"              # where its evapi listens, for the brain
# kamailios = ["10.0.0.2:8448"]       # other Kamailios' evapis: this brain serves them too
# replication = "udp:10.0.0.1:5066"   # for what the other Kamailios are told: bindings, calls
# peers = ["udp:10.0.0.2:5066"]       # the others' replication
decision_ms = 300                     # then it decides by itself: who is registered rings, else the mobile
register_s = 300                      # longest time of a registration …
register_least_s = 30                 # … and the shortest
run_folder = "/run/kamailio"
workers = 4                           # processes an address
requests_per_second = 50              # of each address that is no trunk
wrong_digests = 20                    # of an address within a minute; then it is not answered any more
# tls_certificate = "/etc/camel-scp/sip.pem"
# tls_key = "/etc/camel-scp/sip.key"
# hide_key = "env:CAMEL_SCP_HIDE_KEY" # trunks see none of the addresses of devices; the same at all Kamailios

[[trunks]]                            # the switch's gateways
name = "gateway"
addresses = ["10.0.0.5", "10.0.1.0/28"]   # whose calls are taken without a digest
host = "10.0.0.5"                     # where calls go out; the first trunk that has one
port = 5060
transport = "udp"                     # udp | tcp | tls
numbers = "+"                         # + | international (0011234567)
passes = true                         # have the node let calls to mobiles pass: it may drop who diverted them

[calls]
mark = "99"                           # as services.voip-forwarding.prefix of scp.toml
ring_s = 25                           # then the call goes to the mobile
emergency = ["112"]                   # beside numbering.never_steer
# classes = { premium = ["46900", "46939"] }   # what identities bar by a name

[one_time]                            # numbers that a device asks for, to dial over the mobile network
numbers = ["46810000000-46810000099"] # the gateway sends calls to them here
seconds = 30                          # how long one may be called
of_identity = 3                       # at a time

[scp]                                 # the node's HTTP API; without it nobody is registered there
url = "http://127.0.0.1:8080"
token = "env:CAMEL_SCP_VOIP_TOKEN"    # scopes: registration, forwarding, passes, charging, read
deadline_ms = 200                     # of a reservation, before a call is put through
at_once = 16                          # requests under way

[charging]                            # without it calls cost nothing
minutes = 60                          # asked for before a call is put through
denied = "mobile"                     # mobile: back to the switch | refuse: 402
warn_s = 20                           # before a call ends for want of minutes its subscriber is told; 0: not
warning = "Your call ends in {seconds} s: your minutes are used up."   # "": by an event alone

[store]
url = "sqlite:voip.db"                # several brains: "redis://10.0.0.9:6379/1",
# or "redis+sentinel://10.0.0.9,10.0.0.10,10.0.0.11/mymaster", "redis+cluster://10.0.0.9,10.0.0.10"

[api]                                 # HTTP API for devices, operator and gateways; without it there is none
listen = "127.0.0.1:8082"
# audit = "/var/log/camel-scp/voip-audit.log"   # else audit lines go with the log
max_body = 65536
rate = 20.0                           # requests a second of each token, and of each address without one
burst = 100                           # of each at once
streams = 1000                        # event streams at once
# tls = { certificate = "/etc/camel-scp/api.pem", key = "/etc/camel-scp/api.key" }

# [[api.keys]]
# name = "operator"
# sha256 = "env:VOIP_OPERATOR_SHA256"     # printf %s "$TOKEN" | sha256sum
# scopes = ["operator"]               # operator | trunk; devices have tokens of their own
# until = "2027-12-31"                # its last day

# [admission]                         # how devices join; it needs [api] and [messages]
# text = "{pin} is your code for {domain}."
# digits = 6
# pin_s = 300                         # how long a PIN is taken
# tries = 5                           # PINs of one enrolment
# tries_of_number = 10                # wrong PINs for one number within an hour
# sends_of_number = 3                 # messages to one number within an hour
# asks_of_address = 20                # enrolments from one address within an hour
# devices = 10                        # that one number may have
# token_days = 365                    # how long a device's token is valid
# dids = ["46812345"]                 # given to those who join, one each
# quarantine_days = 90                # how long a number that was taken back is given to nobody

# [messages]                          # text messages by the operator's SMSC
# sender = "camel-scp"                # of the service's own
# validity_s = 86400
# in_doubt = "report"                 # report | repeat: what the SMSC or a device may have or not
# kept_days = 7                       # how long a message waits for a device
# most_parts = 10
# store = "voip.db.messages"
# [messages.smpp]                     # all keys as in scp.toml
# addresses = ["10.0.0.9:2775"]
# system_id = "voip"
# password = "env:SMPP_PASSWORD"

[telemetry]
metrics = "127.0.0.1:9465"
log_level = "info"
mask_numbers = true

[[identities]]
msisdn = "11234567"
dids = ["46812345"]                   # further numbers of its own, as the trunks send them
shared = []                           # numbers that several have: all ring
aliases = ["alice"]                   # sip:alice@voip.example
forwarding = "roaming"                # always | roaming | off: what the node is told with the first device
mobile = "last"                       # last | parallel | never: where the mobile rings
# payer = "46701234567"               # whose account; without it its own
zone = "Europe/Stockholm"
barred = ["4690"]                     # what it may not call: prefixes, or names of classes
presentation = "own"                  # who is shown as caller: own | withheld | a number of its own
mode = "shared"                       # shared | exclusive: only the device that has registered last
# rules = { blocked = ["4670"], windows = [{ begin = "22:00", end = "07:00", days = ["mon", "tue"] }] }

[[devices]]
id = "alice-phone"                    # the user name of its digest
identities = ["11234567"]
password = "env:ALICE_PASSWORD"
# ha1 = "0123456789abcdef0123456789abcdef"   # in place of password: MD5 of id:domain:password
label = "Alice's phone"
state = "active"                      # active | off | revoked
"""
