"""The load generator (``msc --load``) and the benchmarks (``bench``)."""
