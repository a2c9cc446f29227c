"""Functions of ndarrays that are too long for an op's kernel: windows, convolution, pooling. No gradients and no Tensors here."""
