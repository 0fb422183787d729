"""Short messages: alphabets, concatenation, the TPDUs of TS 23.040."""
