"""What is minimised: pure functions of tensors, one file each."""
