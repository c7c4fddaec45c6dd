"""Turn a torch model and a data set into labelled rows: the only wing, beside `activations`, that works with torch."""
