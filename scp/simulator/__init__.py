"""The MSC simulator: a gsmSSF that makes calls."""
