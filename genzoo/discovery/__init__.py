"""Facts about models, found without importing any: names, metadata, source code. Standard library only."""
