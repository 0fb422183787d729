"""What an ESME needs to know, from a configuration's table: the node's and the VoIP service's are alike."""

from __future__ import annotations

import ssl
from typing import Any

from scp.messages.smpp.esme import EsmeSettings


def esme_settings(smpp: Any) -> EsmeSettings:
    """Return what a table says (`scp.config.messages.Smpp`, which this package does not import).

    Raises:
        OSError: a certificate can't be read.
    """
    return EsmeSettings(
        addresses=[(address.host, address.port) for address in smpp.addresses],
        system_id=smpp.system_id,
        password=smpp.password.reveal(),
        system_type=smpp.system_type,
        separate=smpp.bind == "separate",
        window=smpp.window,
        rate=smpp.rate,
        enquire_link=smpp.enquire_link_s,
        response=smpp.response_s,
        long=smpp.long,
        latin1=smpp.default_alphabet == "latin1",
        source_ton=-1 if smpp.source_ton is None else smpp.source_ton,
        source_npi=-1 if smpp.source_npi is None else smpp.source_npi,
        tls=smpp_tls(smpp),
        server_name=None if smpp.tls is None else smpp.tls.server_name,
        receipt_ids=smpp.receipt_ids,
    )


def smpp_tls(smpp: Any) -> ssl.SSLContext | None:
    """Return what secures the connection to the SMSC, None if nothing does; raises `OSError`."""
    if smpp.tls is None:
        return None
    context = ssl.create_default_context(cafile=smpp.tls.ca)
    if smpp.tls.certificate is not None:
        context.load_cert_chain(smpp.tls.certificate, smpp.tls.key)
    return context
