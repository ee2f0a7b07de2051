"""One file per sink; the file's name is the sink's, and its queue's."""
