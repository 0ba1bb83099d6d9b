"""First-party plugins of genzoo: models that reach it as a stranger's would, by entry points of ``genzoo.models``.

Each module holds one paper. Nothing is imported here, so that asking for one model never loads another.
"""
