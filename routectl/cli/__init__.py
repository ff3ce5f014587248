"""One module per command, loaded when it is asked for. Parses, calls one function, prints."""
