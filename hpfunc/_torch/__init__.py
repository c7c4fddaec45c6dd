"""Turn a torch model and a data set into labelled rows: the only package, beside `activations`, that knows torch."""
