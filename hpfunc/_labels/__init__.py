"""Labels of results: class pairs as an index, the schema of a result, entries aligned by their labels."""
