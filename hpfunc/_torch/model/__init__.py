"""Load a model from a checkpoint, place it on a device, and give it back as it was.

In flows what the caller passed as a checkpoint or model; out flows a module that runs where it should. `checkpoint`
fills a fresh module: `archive` opens the file, `opcodes` reads its pickle and makes only descriptions of its objects
(`specs`), and `weights` finds the state dict that fits. `device` brings modules and inputs to one place; `restore`,
`state` and `process` put back what a forward pass has changed.
"""
