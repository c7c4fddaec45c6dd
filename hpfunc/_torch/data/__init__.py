"""From any data set to batches of chosen samples."""
