"""Lazy layers, which take the number of features or channels from their first input."""

from __future__ import annotations

from typing import Any

from minigrad.engine import ShapeError
from minigrad.nn.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvBase,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    ForwardConv,
    TransposedConv,
)
from minigrad.nn.linear import Linear
from minigrad.nn.module import Module, UninitializedBuffer, UninitializedParameter, add_path, is_lazy
from minigrad.nn.norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    InstanceNormBase,
    NormBase,
)
from minigrad.tensor import Tensor
from minigrad.types import Size


class LazyModuleMixin(Module):
    """For modules whose parameters get their shapes from the first input: ``torch.nn.modules.lazy.LazyModuleMixin``.

    A subclass makes :class:`~minigrad.nn.module.UninitializedParameter` and
    :class:`~minigrad.nn.module.UninitializedBuffer` in ``__init__``, and defines :meth:`initialize_parameters`, which is called
    before the first ``forward`` (and before any hooks) with the same arguments. After it the module becomes a ``cls_to_become``,
    unless that is None.

    ``load_state_dict`` gives uninitialised parameters the shape of the loaded values. Optimisers refuse them: create these after the first
    call.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self, size):
    ...         super().__init__()
    ...         self.scale = nn.Parameter(mg.ones(size))
    ...     def forward(self, x):
    ...         return x * self.scale
    >>> class LazyScale(nn.LazyModuleMixin, Scale):
    ...     cls_to_become = Scale
    ...     def __init__(self):
    ...         super().__init__(0)
    ...         self.scale = nn.UninitializedParameter()
    ...     def initialize_parameters(self, x):
    ...         if nn.is_lazy(self.scale):
    ...             self.scale.materialize(x.shape[-1:])
    ...             nn.init.ones_(self.scale)
    >>> layer = LazyScale()
    >>> layer(mg.ones(2, 3)).shape, type(layer).__name__, layer.scale.shape
    (torch.Size([2, 3]), 'Scale', torch.Size([3]))
    """

    cls_to_become: type[Module] | None = None
    _to_initialize = True

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialise the uninitialised parameters and buffers from the arguments of the first call. A subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not define initialize_parameters()")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module itself has no shape yet."""
        return any(is_lazy(p) for p in (*self._parameters.values(), *self._buffers.values()))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._to_initialize:
            return super().__call__(*args, **kwargs)
        try:
            self.initialize_parameters(*args, **kwargs)
            if self.has_uninitialized_params():
                raise RuntimeError(f"{type(self).__name__}: initialize_parameters() has left a parameter or buffer uninitialised")
        except Exception as error:
            add_path(self, error)
            raise
        self._to_initialize = False
        if self.cls_to_become is not None:
            del self._to_initialize
            self.__class__ = self.cls_to_become  # type: ignore[assignment]
        return self(*args, **kwargs)


class _LazyLayer(LazyModuleMixin):
    """Base of lazy layers with one unknown size."""

    inferred: str  # name of the attribute for the size; 0 before

    def _infer(self, input: Tensor) -> int:
        raise NotImplementedError

    def _shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        raise NotImplementedError

    def _postpone(self, dtype: Any) -> None:
        """Replace the parameters and buffers that were made for size 0 by uninitialised ones."""
        for name in self._shapes(0):
            if self.__dict__[name] is not None:
                kind = UninitializedParameter if name in self._parameter_names else UninitializedBuffer
                setattr(self, name, kind(dtype=dtype))

    def reset_parameters(self) -> None:
        """Draw new initial values, unless the parameters are uninitialised."""
        if getattr(self, self.inferred) and not self.has_uninitialized_params():
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take shapes from the input, then draw initial values. Loaded values stay if their shape fits, else ``ShapeError``."""
        size = self._infer(input)
        members = {name: (self.__dict__[name], shape) for name, shape in self._shapes(size).items() if self.__dict__[name] is not None}
        for name, (member, shape) in members.items():
            if not is_lazy(member) and tuple(member.shape) != shape:
                loaded = f"but {tuple(member.shape)} was loaded"
                raise ShapeError(f"{type(self).__name__}: an input {tuple(input.shape)} needs {name} {shape}, {loaded}")
        setattr(self, self.inferred, size)
        if not self.has_uninitialized_params():
            return
        kept = [(member, member.detach()) for member, _ in members.values() if not is_lazy(member)]
        for member, shape in members.values():
            if is_lazy(member):
                member.materialize(shape)
        self.reset_parameters()
        for member, value in kept:
            member.data = value


class LazyLinear(_LazyLayer, Linear):
    """A :class:`~minigrad.nn.linear.Linear` that takes ``in_features`` from its first input: ``torch.nn.LazyLinear``.

    Until then ``weight`` and ``bias`` are uninitialised; then the layer becomes a Linear.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
    >>> model(mg.ones(2, 3, 4, 4)).shape
    torch.Size([2, 10])
    >>> model[1]
    Linear(in_features=48, out_features=10, bias=True)
    """

    cls_to_become = Linear
    inferred = "in_features"

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None):
        Linear.__init__(self, 0, out_features, bias, device, dtype)
        self._postpone(dtype)

    def _infer(self, input: Tensor) -> int:
        if not input.ndim:
            raise ShapeError("LazyLinear: an input of no dimensions has no features")
        return input.shape[-1]

    def _shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.out_features, size), "bias": (self.out_features,)}


# ---------------------------------------------------------------------------------------------- convolutions


class _LazyConv(_LazyLayer, ConvBase):
    inferred = "in_channels"

    def _infer(self, input: Tensor) -> int:
        name, single = type(self).__name__, self.dims + 1
        if input.ndim not in (single, single + 1):
            raise ShapeError(
                f"{name}: the input must have {single + 1} dimensions, or {single} without a batch, not shape {tuple(input.shape)}"
            )
        channels = input.shape[-single]
        if channels % self.groups or not channels:
            raise ShapeError(f"{name}: the {channels} channels of the input {tuple(input.shape)} do not divide into {self.groups} groups")
        return channels

    def _shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        inner = (size, self.out_channels // self.groups) if self.transposed else (self.out_channels, size // self.groups)
        return {"weight": (*inner, *self.kernel_size), "bias": (self.out_channels,)}


class _LazyForward(_LazyConv, ForwardConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        ForwardConv.__init__(self, 0, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype)
        self._postpone(dtype)


class _LazyTransposed(_LazyConv, TransposedConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        TransposedConv.__init__(
            self, 0, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode, device, dtype
        )
        self._postpone(dtype)


class LazyConv1d(_LazyForward, Conv1d):
    """A :class:`~minigrad.nn.conv.Conv1d` that takes ``in_channels`` from its first input: ``torch.nn.LazyConv1d``."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyForward, Conv2d):
    """A :class:`~minigrad.nn.conv.Conv2d` that takes ``in_channels`` from its first input: ``torch.nn.LazyConv2d``.

    Arguments are those of Conv2d but the first. Raises ``ShapeError`` for an input of another rank, or whose channels do not divide
    into the groups.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> layer = nn.LazyConv2d(8, kernel_size=3)
    >>> layer.weight
    <UninitializedParameter>
    >>> layer(mg.ones(2, 3, 5, 5)).shape, layer
    (torch.Size([2, 8, 3, 3]), Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1)))
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyForward, Conv3d):
    """A :class:`~minigrad.nn.conv.Conv3d` that takes ``in_channels`` from its first input: ``torch.nn.LazyConv3d``."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """A :class:`~minigrad.nn.conv.ConvTranspose1d` that takes ``in_channels`` from its first input: ``torch.nn.LazyConvTranspose1d``."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """A :class:`~minigrad.nn.conv.ConvTranspose2d` that takes ``in_channels`` from its first input: ``torch.nn.LazyConvTranspose2d``."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """A :class:`~minigrad.nn.conv.ConvTranspose3d` that takes ``in_channels`` from its first input: ``torch.nn.LazyConvTranspose3d``."""

    cls_to_become = ConvTranspose3d


# ------------------------------------------------------------------------------------------------------ norms


class _LazyNorm(_LazyLayer, NormBase):
    inferred = "num_features"

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        NormBase.__init__(self, 0, eps, momentum, affine, track_running_stats, device, dtype, bias)
        self._postpone(dtype)

    def _infer(self, input: Tensor) -> int:
        self._check_input_dim(input)
        alone = isinstance(self, InstanceNormBase) and input.ndim == self.ranks[0]
        return input.shape[0 if alone else 1]

    def _shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (size,))


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A :class:`~minigrad.nn.norm.BatchNorm1d` that takes ``num_features`` from its first input: ``torch.nn.LazyBatchNorm1d``."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A :class:`~minigrad.nn.norm.BatchNorm2d` that takes ``num_features`` from its first input: ``torch.nn.LazyBatchNorm2d``.

    Arguments are those of BatchNorm2d but the first. Raises ``ShapeError`` for an input of another rank.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> layer = nn.LazyBatchNorm2d()
    >>> layer(mg.randn(2, 3, 5, 5)).shape, layer.running_mean.shape
    (torch.Size([2, 3, 5, 5]), torch.Size([3]))
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """A :class:`~minigrad.nn.norm.BatchNorm3d` that takes ``num_features`` from its first input: ``torch.nn.LazyBatchNorm3d``."""

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """A :class:`~minigrad.nn.norm.InstanceNorm1d` that takes ``num_features`` from its first input: ``torch.nn.LazyInstanceNorm1d``.

    As in PyTorch, ``affine`` and ``track_running_stats`` are True by default (in InstanceNorm1d they are False).
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """A :class:`~minigrad.nn.norm.InstanceNorm2d` that takes ``num_features`` from its first input: ``torch.nn.LazyInstanceNorm2d``.

    See :class:`LazyInstanceNorm1d`.
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """A :class:`~minigrad.nn.norm.InstanceNorm3d` that takes ``num_features`` from its first input: ``torch.nn.LazyInstanceNorm3d``.

    See :class:`LazyInstanceNorm1d`.
    """

    cls_to_become = InstanceNorm3d
