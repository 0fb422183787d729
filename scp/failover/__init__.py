"""What becomes of a node's calls when its process dies: a second one answers them and takes its ASPs down.

`serve` forks the guardian before it opens anything. From then on the node writes what it reads and sends into
memory that both have (`journal`), and gives the guardian a copy of each association's descriptor (`witness`).
A killed process closes its own descriptors, not the copies: the guardian reads what is left in the sockets,
answers by policy whatever was not answered (`will`), and takes leave of the peers as a drain does. A node
that ends in good order tells the guardian to go.
"""
