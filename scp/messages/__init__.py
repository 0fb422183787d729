"""Text messages: the queue that loses none, and the adapter that sends by SMPP."""
