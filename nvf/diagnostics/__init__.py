"""What is going wrong: pathologies by name, from figures."""

BESIDE = ("buries_new_documents", "loss_misleads")
"""What no system finds by itself: it shows beside the floors, or beside the epochs before."""
