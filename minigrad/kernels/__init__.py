"""Compute on ndarrays that is too long for an op's kernel: windows, convolution, pooling. No gradients here, and no Tensors."""
