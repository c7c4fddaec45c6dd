"""Small services that every room uses: progress, random keys, warnings, memory, fingerprints of options."""
