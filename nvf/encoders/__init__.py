"""Texts to vectors: encoders that are never trained."""
