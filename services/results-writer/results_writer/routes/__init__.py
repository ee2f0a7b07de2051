"""Routes of the results-writer, one file each."""
