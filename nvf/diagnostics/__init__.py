"""What is going wrong: pathologies by name, from figures."""
