"""Cross edges of every pair of classes of a layer.

`count_pairs` is the door. It divides the classes into groups and their pairs into blocks (`blocking`); each block of
distances gives candidate edges (`candidates`), and the candidates of a batch of blocks are counted at once
(`counting`). Pairs whose edges tie, or that float32 leaves undecided, are counted again, many small ones at once
(`recount`). `types` and `point_list` hold what these steps pass to each other, and `bytes_needed` estimates the memory
that they take.
"""
