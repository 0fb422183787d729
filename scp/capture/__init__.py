"""Reading captures, replay, reports."""
