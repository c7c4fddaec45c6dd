"""Provide what all pictures share: values, series, summaries, words, colours, scales, tick labels and legends."""
