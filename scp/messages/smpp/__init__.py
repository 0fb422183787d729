"""SMPP 3.4 (Short Message Peer to Peer Protocol Specification v3.4, issue 1.2).

The PDUs and the session are our own. Of PyPI's libraries smpp34 acknowledges a deliver_sm before its user has
kept it, and takes neither a CA nor a client certificate; aiosmpplib does not say whether a message that
failed may have been received; smpplib blocks, and cuts what is too long for its field. smpp34 is the tests'
oracle: its codec judges every PDU, its server and client are the other end.
"""
