"""Models: load a checkpoint, choose a device, and give the model back as it was."""
