"""What ``genzoo train`` and ``genzoo reproduce`` leave on disk: run directories, claims of papers, and rows."""
