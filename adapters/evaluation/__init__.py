"""Measure correlation and grouping on labelled cases."""
