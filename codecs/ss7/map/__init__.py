"""MAP (TS 29.002): application contexts, operations, types, errors, two codecs behind one interface."""
