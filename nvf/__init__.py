"""nvf finds, proves and promotes the best retriever a team can train over frozen embeddings."""

__version__ = "0.1.0"
