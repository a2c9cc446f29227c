"""State on the disk: checkpoints, safetensors, PyTorch's files, and the one way in which a file is written whole or not at all."""
