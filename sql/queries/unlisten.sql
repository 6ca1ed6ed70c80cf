unlisten "{topic}"
