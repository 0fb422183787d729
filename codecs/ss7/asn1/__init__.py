"""ASN.1 in Python: types declared as Structs, the tables that decode and encode them, the way to pycrate."""
