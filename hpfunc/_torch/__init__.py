"""From a torch model and a data set to labelled rows: the only package, beside `activations`, that knows torch."""
