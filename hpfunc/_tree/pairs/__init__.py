"""Cross edges of every pair of classes of a layer, from the trees of the classes and candidate edges."""
