"""State in files: checkpoints, safetensors, PyTorch's files, and the atomic writing of a file (whole or not at all)."""
