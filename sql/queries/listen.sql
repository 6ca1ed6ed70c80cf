listen "{topic}"
