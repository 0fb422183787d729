"""Answers a node's calls when its process dies, and takes its ASPs down in good order.

**Why.** What a process has read dies with it. The peer's SCTP or TCP has its acknowledgement, TCAP repeats
nothing, and a gateway can't know that a message was not handled: the switch waits for Tssf. So `serve`
forks a second process, the guardian, before it opens anything.

::

      peer ──association── node ────────────── ring of the last traffic (shared memory)
                 │          │                              │
                 │          ├── channel: descriptors, ─────┤
                 │          │   messages beside DATA       │
                 │          ✗ killed                       ▼
                 └───────────────────────────────────── guardian: answers, ASPIA, ASPDN, end

**While the node lives.**

- `journaling_transport` stands between each association and its link. It writes every batch that comes and
  goes into the ring (`traffic_ring`): one copy in memory, no system call, no lock (0.2 µs a call in batches
  of 240, 4 µs for a single call, plain Python).
- Each new association's descriptor goes over the channel, so the guardian has a copy of the socket.
  Messages that are not DATA (they are few, and change the ASP's state) go over the channel too.
- The guardian only waits on the channel. It is told when the node ends in good order, and then ends as
  well.

**When the node is killed.** The channel breaks. The kernel closes the node's descriptors, not the
guardian's copies, so the associations are still up (`takeover`):

1. The ring says which DATA was read and not answered. "Sent" is written after sending, so a call may be
   answered twice but never not at all; a switch discards an answer to a transaction that is over.
2. M3UA machines of the guardian replay what each gateway sent beside DATA: routing contexts and
   destinations are right.
3. The calls of step 1, and those still to be read from the sockets, get Continue.
4. ASPIA, ASPDN and the end of the association follow, as in a drain.

Dialogues that a service held open are gone: a message in one gets P-Abort.

**Limits.** The guardian does not outlive the machine, or a container whose first process is the node. A TCP
stream that ended in the middle of a message, because the peer had stopped reading, is closed as it is. A
process that stood between sockets and node all the time would have no such limits, and would cost a copy
and a context switch a message.
"""
