"""Nearest neighbours: what answers a query from the whole corpus."""
