"""Examples at the end of each command's help."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "demo": (
        ("camel-scp demo --keep", "the node stays up: open its /docs and /metrics"),
        ("camel-scp demo --voip", "with Kamailio, for softphones; where it is not installed: make voip"),
    ),
    "serve": (("camel-scp serve -c scp.toml", "log on stdout, a JSON object a line"),),
    "check": (("camel-scp check scp.toml", "before a start, and before SIGHUP"),),
    "example": (
        ("camel-scp example > scp.toml", "to begin with"),
        ("camel-scp example --voip > voip.toml", "of the VoIP service"),
    ),
    "msc": (
        ("camel-scp msc --b 0011234567", "a call to the node at 127.0.0.1:2905, and its ladder"),
        (
            "camel-scp msc --to 10.0.0.1 --scp-gt 46700000001 --b 0011234567 --expect connect",
            "exit status 1 if it is continued",
        ),
        ("camel-scp msc --listen 127.0.0.1:2905 --b 0011234567", "for a node whose peer has role asp"),
        (
            "camel-scp msc --transport sctp --to 10.0.0.1,10.0.1.1:2905 --b 0011234567",
            "one host with two addresses",
        ),
        ("camel-scp msc --trigger originating --cap 3 --b 0701234567", "O-CSI, CAP v3"),
        ("camel-scp msc --b 46701234567 --ending busy --calls 3", "three calls to a busy subscriber"),
        (
            "camel-scp msc --b 46701234567 --ending no-answer --ending answer --event-first",
            "a service that holds the call redirects it once",
        ),
        ("camel-scp msc --sms sent --cap 3 --a 46701234567 --b 46700000009", "an MSC asks about a message"),
        ("camel-scp msc --load --rate 500 --duration 60 --b 0011234567", "figures in place of ladders"),
    ),
    "hlr": (
        (
            "camel-scp hlr --to 127.0.0.1:2906 --subscriber 11234567,vlr=491710000001",
            "an HLR for the node's second peer, which knows one subscriber",
        ),
        (
            "camel-scp hlr --subscriber 11234567,vlr=491710000001 --delay 0.08 --versions 2",
            "slow, and of MAP v2 alone",
        ),
        ("camel-scp hlr --subscriber 11234567,error=1 --subscriber 46701234567,silent", "what goes wrong"),
        ("camel-scp hlr --note 11234567,vlr=491710000001,event=attach", "a VLR's noteMM-Event"),
    ),
    "smsc": (
        ("camel-scp smsc", "an SMSC at 127.0.0.1:2775 that takes any bind and delivers at once"),
        ("camel-scp smsc --delay 0.2 --rate 20 --undeliverable 4670", "slow, throttling, and some fail"),
        ('camel-scp smsc --send "46700000001 46701234567 Hello"', "a message to whoever binds"),
    ),
    "subscribers": (
        ("camel-scp subscribers import subscribers.ndjson -c scp.toml", "into the store of a configuration"),
        (
            "camel-scp subscribers export subscribers.csv --store redis://10.0.0.5/0",
            "out of one named by URL",
        ),
        ("camel-scp subscribers show +46701234567 -c scp.toml", "one record"),
    ),
    "cdrs": (
        ("camel-scp cdrs export -c scp.toml", "NDJSON on stdout"),
        (
            "camel-scp cdrs export -c scp.toml --format csv -o cdrs.csv --after 1200",
            "what came since seq 1200",
        ),
    ),
    "status": (
        ("camel-scp status -c scp.toml", "every link, and what to check where one is down"),
        ("CAMEL_SCP_TOKEN=… camel-scp status --discards", "what was thrown away, with samples"),
    ),
    "decode": (
        ("camel-scp decode trace.pcap", "every message as a tree"),
        ("tcpdump -U -w - sctp | camel-scp decode - --lines", "a line a message, as they come"),
        ("camel-scp decode trace.pcap --number 0701234567 --json", "the dialogues of one number"),
        ("xclip -o | camel-scp decode --hex -", "a frame or message, in hex or as a hex dump"),
        ("camel-scp decode --hex '80 90' --layer Cause", "the contents of one parameter"),
    ),
    "replay": (
        ("camel-scp replay trace.pcap -c scp.toml", "through the service here"),
        (
            "camel-scp replay trace.pcap -c scp.toml --store subscribers.ndjson --html report.html",
            "a page of it",
        ),
        (
            "camel-scp replay trace.pcap --to 10.0.0.1:2905 --scp-gt 46700000001 --rate 100",
            "to a live node, 100 calls a second",
        ),
    ),
    "explain": (
        ("camel-scp explain --b 0701234567 --vlr 88612345", "asks the node at http://127.0.0.1:8080"),
        ("camel-scp explain --b 0701234567 -c scp.toml", "by a configuration and its store"),
        ("camel-scp explain --capture trace.pcap --frame 12 -c scp.toml", "a captured call"),
    ),
    "anonymise": (("camel-scp anonymise trace.pcap shared.pcapng", "to be shown to others"),),
    "voip": (
        ("camel-scp voip -c voip.toml", "the brain of the VoIP service"),
        ("camel-scp voip check voip.toml", "before a start, and before SIGHUP"),
        ("camel-scp voip kamailio-config -c voip.toml -o settings.cfg", "what Kamailio includes"),
        ("camel-scp voip status -c voip.toml", "whether Kamailio asks the brain, and what went wrong"),
    ),
    "bench": (
        ("camel-scp bench --quick steer reference", "two scenarios, in a minute"),
        ("camel-scp bench --json", "all scenarios; about ten minutes"),
        ("camel-scp bench --quick --against ../before", "beside another checkout: is any scenario slower?"),
        ("camel-scp bench --consoles 5 steer", "with five consoles open, beside none"),
    ),
}
"""By command: a command line, and what it is for."""


def epilog(name: str, of: str = "") -> str:
    """Return the end of a command's help, a paragraph an example, as typer takes it.

    Args:
        name: of the command.
        of: of one of its commands; "": all examples.
    """
    shown = (
        f"{line}   ({what})" for line, what in EXAMPLES[name] if f"camel-scp {name} {of}".strip() in line
    )
    return "\n\n".join(("Examples:", *shown))
