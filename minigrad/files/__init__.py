"""Files, written whole or not at all: state (checkpoints, safetensors, PyTorch's files), PNG pictures, HTML pages."""
