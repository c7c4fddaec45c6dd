"""The older tool's JSON files: their format, and the conversion from and to results."""
