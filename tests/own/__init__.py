"""Architectures of somebody's own, each with its search space: files that no test imports, and commands are given."""
