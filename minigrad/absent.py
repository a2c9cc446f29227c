"""What PyTorch has and minigrad has not, and what to use instead: one table, for errors and for the documentation.

A key of :data:`TABLE` is a module (or class) of PyTorch; in it, names, or patterns of names as of files, stand before the advice that goes with
them. :func:`error` makes the message of an ``AttributeError`` of it, :func:`page` the table of ``docs/differences-from-pytorch.md``.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from typing import Any, TypeVar

C = TypeVar("C", bound=type)

_COMPLEX = "complex numbers are pairs of real tensors, of float32 or float64; a conjugate is computed at once, and imag is that of a pair"
_SPARSE = "there are no sparse tensors; use dense ones, or x[indices] and index_add over the edges of a graph"
_QUANTISED = "there are no quantised tensors; the narrowest floating dtype is float16"
_LATER = "not here yet; where no gradient is needed, numpy does it on x.detach().numpy()"
_SCIPY = "not here; where no gradient is needed, scipy.special has it for x.detach().numpy()"
_GONE = "PyTorch has taken it out; the function of this name, or eigh for symeig, is in linalg"
_DEVICE = "there is one device, the CPU, and no streams or memory of others"
_SELF = "PyTorch's own machinery"
_VIEW = "tensors are values, and memory is not theirs to arrange; reshape, x[...] and clone() give new ones"
_KERNEL = "a kernel of PyTorch's; call the function of nn.functional"
_JIT = "there is no compiler; leave it out, Python runs the function as it is"
_SEVERAL = "mpiexec starts the processes of minigrad.distributed; DataLoader(num_workers=...) and set_num_threads use the cores of one"

TABLE: dict[str, dict[str, str]] = {
    "torch": {
        "float8_* float4_* bit bits* int1 int2 int3 int4 int5 int6 int7 uint1 uint2 uint3 uint4 uint5 uint6 uint7 BFloat16Tensor": (
            "float32 holds bfloat16 exactly, and nn.load_torch converts it"
        ),
        "complex32 chalf conj_physical_ view_as_real_copy view_as_complex_copy": _COMPLEX,
        "sparse sparse_* jagged nested hspmm hsmm spmm smm sspaddmm saddmm dsmm resize_as_sparse_ *_indices_copy indices_copy values_copy": _SPARSE,
        "quantize_* quantized_* q_* qint* quint* qscheme fake_quantize_* dequantize int_repr choose_qparams_optimized per_* fbgemm_* ao "
        "quantization empty_quantized fused_moving_avg_obs_fake_quant": _QUANTISED,
        "export fx Script*": _JIT,
        "multiprocessing futures fork wait is_distributed": _SEVERAL,
        "onnx": "minigrad.onnx.export writes a file, and minigrad.onnx.load reads one",
        "hub package": "nn.load_torch reads a checkpoint that was downloaded; nn.models has networks that fit torchvision's",
        "monitor": "profiler shows what takes time; nn.summary what a model costs",
        "signal": "the windows are functions here: hann_window, hamming_window, blackman_window, bartlett_window, kaiser_window",
        "eig symeig lstsq matrix_rank solve": _GONE,
        "svd_lowrank pca_lowrank lobpcg": "approximations for large matrices; linalg.svd and linalg.eigh are exact",
        "norm_except_dim": "norm takes several dims",
        "cond": "PyTorch's is control flow; write if. The condition number is linalg.cond",
        "as_strided_scatter segment_reduce nonzero_static": _LATER,
        "is_inference is_neg resolve_neg get_device detach fill": "the method or the property of the tensor, if it has one: x.detach(), x.fill_(1)",
        "ops types contrib": _SELF,
        "is_inference_mode_enabled": "inference_mode is no_grad here; is_grad_enabled",
        "feature_dropout": "nn.functional.dropout2d",
        "*_": "call the method: x.exp_(), x.clamp_(0, 1)",
        "as_strided* *_copy empty_strided empty_permuted from_file frombuffer legacy_contiguous_format slice_inverse": _VIEW,
        "*Storage storage  UntypedStorage TypedStorage StorageBase": "there are no storages: x.numpy() is the memory of x",
        "Stream Event mtia windows  is_vulkan_available get_device_module DeviceObjType StreamObjType OutOfMemoryError "
        "AcceleratorError": _DEVICE,
        "*autocast* clear_autocast_cache": "there is no mixed precision; tensors keep their dtypes",
        "set_anomaly_enabled": "autograd.set_detect_anomaly",
        "set_deterministic_debug_mode get_deterministic_debug_mode is_deterministic_algorithms_warn_only_enabled set_warn_always "
        "is_warn_always_enabled thread_safe_generator init_num_threads": "results are the same each time; Python's warnings module filters warnings",
        "to_dlpack": "pass x itself to the other library's from_dlpack",
        "gru lstm rnn_tanh rnn_relu gru_cell lstm_cell rnn_tanh_cell rnn_relu_cell": "nn.GRU, nn.LSTM, nn.RNN and their cells",
        "embedding embedding_bag batch_norm instance_norm binary_cross_entropy_with_logits cosine_embedding_loss ctc_loss "
        "hinge_embedding_loss kl_div margin_ranking_loss poisson_nll_loss triplet_margin_loss affine_grid_generator grid_sampler* "
        "max_pool1d_with_indices *_with_indices constant_pad_nd native_* batch_norm_*  cudnn_* miopen_* mkldnn_* convolution "
        "unsafe_*": _KERNEL,
        "*Type  Graph Node Block Value Use Code Argument* Alias* Benchmark* Deserial* Serial* Disable* Dispatch* Exclude* "
        "Execution* FatalError FileCheck Function* Future Gradient Graph* IODescriptor JITException Lite* Locking* LoggerBase Module* Noop* "
        "Operator* PRIVATE_OPS PyTorch* Static* Sym* sym_* Tag Throughput* Tracing* USE_* AVG SUM Buffer* Call* Capsule Class* "
        "CompilationUnit Complete* Concrete* DeepCopyMemoTable Enum* ErrorReport ParameterDict Inferred* Alias* TYPE_CHECKING library overrides "
        "return_types torch_version functional classes classproperty cpp ctypes functools glob importlib inspect math  os platform "
        "quasirandom sys textwrap threading torch warnings builtins  import_ir_* parse_* merge_* unify_* get_file_path "
        "prepare_multiprocessing_environment profiler_*    compiled_with_cxx11_abi has_* hash_tensor "
        "masked while_loop   parse_ir _*": _SELF,
    },
    "torch.Tensor": {
        "_version": "a write gives a tensor a new value, and what a graph keeps stays as it was: writes need not be counted",
        "_grad_fn": "it is grad_fn",
        "_backward_hooks _post_accumulate_grad_hooks": "the handle that register_hook returns takes the hook off",
        "_conj _conj_physical _neg_view": "conj()",
        "_cdata _typed_storage _use_count _view_func _make_subclass _make_wrapper_subclass": _VIEW,
        "_indices _values _nnz _coalesced_ _dimI _dimV _to_dense _to_sparse": _SPARSE,
        "bfloat16": "float32 holds bfloat16 exactly",
        "imag chalf": _COMPLEX,
        "to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr sparse_dim sparse_mask sparse_resize_ "
        "sparse_resize_and_clear_ is_sparse_csr coalesce is_coalesced indices values crow_indices ccol_indices col_indices row_indices dense_dim "
        "smm sspaddmm to_dense resize_as_sparse_ to_padded_tensor": _SPARSE,
        "q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point qscheme int_repr dequantize": _QUANTISED,
        "xpu ipu mtia  is_ipu is_maia is_mtia is_vulkan is_xla record_stream is_pinned is_shared is_distributed to_mkldnn": _DEVICE,
        "storage storage_offset storage_type untyped_storage is_set_to resize resize_ resize_as resize_as_ as_strided_ "
        "as_strided_scatter const_data_ptr dim_order narrow_copy "
        "new_empty_strided slice_inverse apply_ map_ map2_ as_subclass module_load name output_nr grad_dtype volatile reinforce": _VIEW,
        "eig symeig lstsq solve": _GONE,
        "istft": "mg.istft, a function of the complex pair that stft returns",
        "*_": "write x = x.name(...) without the underscore, or x[...] = value",
        "cross": "linalg.cross(x, other)",
        "hash_tensor index nonzero_static": _LATER,
        "unsafe_chunk unsafe_split unsafe_split_with_sizes": "chunk, split, split_with_sizes: a write to a part is written to the whole, and its gradients are right",
    },
    "torch.dtype": {"abbr": "name is the whole one"},
    "torch.Generator": {
        "get_offset set_offset graphsafe_get_state graphsafe_set_state": "get_state and set_state have all of it",
    },
    "torch.autograd.graph.Node": {
        "register_hook register_prehook _register_hook_dict": "x.register_hook(f), of the tensor",
        "metadata requires_grad _input_metadata": "what is in the graph requires a gradient; x.grad_fn has name() and next_functions",
        "_sequence_nr _set_sequence_nr": "number is the creation number",
        "_saved_* _raw_saved_*": "kept is the tuple of all values that its formulas use, as arrays and numbers; autograd.graph.saved_tensors_hooks sees each",
    },
    "torch.nn.Module": {
        "bfloat16": "float32 holds bfloat16 exactly",
        "ipu mtia xpu": _DEVICE,
        "to_empty": "model.to(dtype), and nn.init for new values",
        "register_backward_hook": "register_full_backward_hook",
        "share_memory": _SEVERAL,
        "T_destination call_super_init dump_patches": _SELF,
        "_call_impl _wrapped_call_impl _slow_forward _compiled_call_impl": "call the module itself; its hooks run",
        "_forward_hooks_with_kwargs _forward_pre_hooks_with_kwargs _forward_hooks_always_called _is_full_backward_hook _get_backward_hooks "
        "_get_backward_pre_hooks": "_forward_hooks and its like have all hooks; the handle that registers one takes it off",
        "_non_persistent_buffers_set": "state_dict() has the persistent ones, named_buffers() all",
        "_replicate_for_data_parallel": _SEVERAL,
    },
    "torch.nn.RNNBase": {
        "check_forward_args check_hidden_size check_input get_expected_hidden_size get_expected_cell_size permute_hidden": _SELF,
    },
    "torch.nn.MultiheadAttention": {"merge_masks": "attn_mask may hide keys too: both masks by logical_or"},
    "torch.nn.utils.rnn.PackedSequence": {"byte char short": "to(dtype)", "cuda is_pinned pin_memory": _DEVICE},
    "torch.optim.Optimizer": {
        "register_state_dict_pre_hook register_state_dict_post_hook register_load_state_dict_pre_hook register_load_state_dict_post_hook": (
            "change what state_dict() returns, or what load_state_dict is given"
        ),
        "OptimizerPostHook OptimizerPreHook profile_hook_step _patch_step_function _accelerator_graph_capture_health_check "
        "_cuda_graph_capture_health_check _optimizer_step_code _process_value_according_to_param_policy _warned_capturable_if_run_uncaptured "
        "_zero_grad_profile_name _add_grad _clone_param _directional_evaluate _set_param": _SELF,
        "_optimizer_step_pre_hooks _optimizer_step_post_hooks": "the handle that register_step_pre_hook returns takes the hook off",
        "_optimizer_state_dict_pre_hooks _optimizer_state_dict_post_hooks _optimizer_load_state_dict_pre_hooks "
        "_optimizer_load_state_dict_post_hooks": "change what state_dict() returns, or what load_state_dict is given",
        "_init_group _group_tensors_by_device_and_dtype": "update() is a formula on flat arrays, and slots() says what is kept for a parameter",
        "_params _numel _numel_cache _gather_flat_grad": "param_groups has the parameters; nn.utils.parameters_to_vector makes one vector of them",
        "share_memory": _SEVERAL,
    },
    "torch.optim.lr_scheduler.LRScheduler": {
        "_initial_step": "the constructor takes the first step: set what get_lr() needs before super().__init__()",
        "_update_lr": "step() writes what get_lr() returns into optimizer.param_groups",
        "_init_is_better _reset _reduce_lr": "make a new ReduceLROnPlateau; best, num_bad_epochs and factor may be written",
        "_scale_fn_ref _init_scale_fn _triangular_scale_fn _triangular2_scale_fn _exp_range_scale_fn": "scale_fn(x) is the scale",
        "_anneal_func _annealing_cos _annealing_linear _cosine_anneal _linear_anneal _set_anneal_func anneal_func": (
            "the option anneal_strategy says how; get_lr() is the result"
        ),
        "_get_initial_lr recursive_undo": _SELF,
    },
    "torch.utils.data.DataLoader": {
        "check_worker_number_rationality": _SELF,
        "_get_iterator _iterator": "iter(loader) begins a pass; persistent_workers keeps the workers from pass to pass",
        "_index_sampler": "batch_sampler, or sampler where there are no batches",
        "_auto_collation": "batch_sampler is None where samples come one by one",
        "_dataset_kind": "isinstance(loader.dataset, IterableDataset)",
        "_IterableDataset_len_called _DataLoader__initialized _DataLoader__multiprocessing_context": _SELF,
    },
    "torch.utils.data.dataloader._BaseDataLoaderIter": {
        "_next_data _try_get_data _get_data _process_data": "next(iterator)",
        "_num_yielded _rcvd_idx _send_idx": "loader.state_dict() says how far the pass is",
        "_shutdown_workers _shutdown": "the workers end with the iterator, or with the loader if they are persistent",
        "_*": "an iterator has its batches and no more; the options are attributes of the loader",
    },
    "torch.utils.hooks.RemovableHandle": {"extra_dict_ref hooks_dict_ref next_id": "remove() takes the hook off"},
    "torch.distributions.Distribution": {"sample_n": "sample((n,))"},
    "torch.distributions.transforms.Transform": {
        "event_dim": "domain and codomain are not here; forward_shape says what becomes of a shape",
        "with_cache": "nothing is kept; a transform computes anew",
    },
    "torch.nn": {
        "DataParallel": "nn.parallel.DistributedDataParallel, under mpiexec",
        "quantized qat quantizable intrinsic": _QUANTISED,
        "RNNCellBase": "what the cells share; to build on, nn.RNNCell serves",
        "Container": "it is nn.Module",
        "CrossMapLRN2d": "nn.LocalResponseNorm does the same where size is odd",
        "LinearCrossEntropyOptions": "says how linear_cross_entropy cuts up its work; the result is the same without",
        "attention": "F.scaled_dot_product_attention has one way to compute",
        "grad": "mg.grad of the function",
        "backends common_types factory_kwargs": _SELF,
    },
    "torch.nn.functional": {
        "grouped_mm scaled_mm scaled_grouped_mm": "products of low-precision matrices on GPUs; use matmul",
        "grad": "mg.grad of the function",
        "assert_int_or_pair boolean_dispatch handle_torch_function has_torch_function* BroadcastingList* ScalingType SwizzleType "
        "GRID_SAMPLE_* *_notes Tensor DType Callable Optional TYPE_CHECKING dataclasses importlib math np torch warnings": _SELF,
    },
    "torch.nn.init": {"Literal TypeVar torch Tensor": _SELF},
    "torch.nn.utils": {
        "convert_conv2d_weight_memory_format convert_conv3d_weight_memory_format memory_format": "arrays have one memory format; leave it out",
        "fusion": "the functions are in nn.utils; nn.optimize_for_inference does it for a whole model",
    },
    "torch.nn.utils.prune": {"ABC Iterable numbers abstractmethod torch": _SELF},
    "torch.nn.utils.parametrizations": {"F": "it is torch.nn.functional"},
    "torch.nn.utils.parametrize": {
        "transfer_parametrizations_and_params": "a step of PyTorch's quantisation",
        "OpaqueBase get_swap_module_params_on_conversion is_opaque_reference_type is_traceable_wrapper_subclass": _SELF,
    },
    "torch.nn.modules": {"Container CrossMapLRN2d LinearCrossEntropyOptions RNNCellBase linear_cross_entropy_options": "see torch.nn"},
    "torch.nn.modules.utils": {
        "collections repeat": _SELF,
    },
    "torch.nn.modules.module": {
        "register_module_backward_hook": "register_module_full_backward_hook",
        "BackwardHook DeviceLikeType is_traceable_wrapper_subclass": _SELF,
    },
    "torch.nn.utils.rnn": {"PackedSequence_ bind copy_method_params": _SELF},
    "torch.nn.utils.stateless": {"NamedMemberAccessor": "func.functional_call"},
    "torch.nn.parameter": {
        "is_lazy": "it is nn.is_lazy",
        "UninitializedTensorMixin": _SELF,
    },
    "torch.optim.optimizer": {
        "register_optimizer_step_*": "not here; optimizer.register_step_pre_hook, of one optimiser",
        "Args Device* GlobalOptimizer* Indices Kwargs R StateDict TensorListList hooks": _SELF,
    },
    "torch.optim.swa_utils": {"PARAM_LIST": _SELF},
    "torch.jit": {
        "save load": "torch.save of the state_dict(), and load_state_dict of it; minigrad.onnx.export writes a file that runs without the model's code",
        "isinstance": "Python's isinstance",
        "CompilationUnit Error Future ScriptFunction export_opnames strict_fusion frontend fuser optimized_execution set_module RecursiveScript* ScriptWarning "
        "Traced* Tracer* Tracing* TopLevel* ONNX* jit_module_* save_jit_* last_* run_frozen_*": _JIT,
    },
    "torch.jit.ScriptModule": {
        "save save_to_buffer": "torch.save(model.state_dict(), path); minigrad.onnx.export writes a file that runs without the model's code",
        "code code_with_constants graph graph_for inlined_graph": "minigrad.graph.draw shows what a model computes",
        "define get_debug_state forward_magic_method original_name": _JIT,
    },
    "torch.compiler": {"*": _JIT},
    "torch.random": {"thread_safe_generator": _SELF},
    "torch.version": {"rocm xpu debug git_version": _SELF},
    "torch.optim": {
        "SparseAdam": "gradients are dense; use Adam",
        "swap_in_optimizer_params_and_state": _SELF,
    },
    "torch.optim.lr_scheduler": {
        "EPOCH_* Literal Self Supports* TYPE_CHECKING Tensor Typed* cast inf override partial ref types wraps": _SELF
    },
    "torch.utils": {
        "benchmark": "Python's timeit, or profiler; there are no clocks of other devices to wait for",
        "dlpack": "torch.from_dlpack; pass a tensor itself to the other library's from_dlpack",
        "collect_env cpp_backtrace": "python -m pip list, and profiler",
        "flop_counter module_tracker": "nn.summary counts the operations of a model, module by module",
        "_pytree": "parameters() and state_dict() list what a module holds; func takes nested tuples, lists and dicts as they are",
        "mobile_optimizer": "minigrad.onnx.export writes a file that runs on other machines",
        "backcompat cmake_prefix_path throughput_benchmark weak ThroughputBenchmark deterministic generate_methods_* get_cpp_backtrace rename_* set_module swap_tensors cpp_extension file_baton model_zoo backend_registration": _SELF,
    },
    "torch.utils.data.dataloader": {"ExceptionWrapper IterDataPipe MapDataPipe logger python_multiprocessing": _SELF},
    "torch.utils.hooks": {"BackwardHook unserializable_hook warn_if_has_hooks": _SELF},
    "torch.utils.tensorboard": {"FileWriter RecordWriter writer": "SummaryWriter writes files and records"},
    "torch.utils.tensorboard.SummaryWriter": {
        "add_custom_scalars_marginchart add_custom_scalars_multilinechart": "add_custom_scalars takes a layout of such charts",
        "add_histogram_raw": "add_histogram counts the values itself",
        "add_pr_curve_raw": "add_pr_curve counts labels and predictions itself",
        "add_image_with_boxes": "plots.images draws boxes, and add_figure writes the figure",
        "add_onnx_graph": "add_graph(onnx.load(path), input)",
        "add_tensor": "add_histogram, or a file of its own by save",
    },
    "torch.utils.data.ConcatDataset": {"cumsum cummulative_sizes": "cumulative_sizes"},
    "torch.no_grad": {"clone": "make a new one", "prev mode": "is_grad_enabled()"},
    "torch.utils.data": {
        "*DataPipe* datapipes DataChunk *datapipe* graph* argument_validation runtime_validation* guaranteed_* non_deterministic": (
            "torchdata's; write an IterableDataset"
        ),
    },
    "torch.utils.checkpoint": {
        "*": "there is one way to checkpoint, and no policy that chooses: checkpoint a smaller part, or a larger one",
    },
    "torch.autograd": {
        "NestedIOFunction": "tensors are values: a Function returns new ones",
        "anomaly_mode grad_mode": "detect_anomaly, no_grad and their like are in torch.autograd",
        "set_multithreading_enabled is_multithreading_enabled": "backward runs in the thread that calls it",
        "enforce_grad_layout_policy is_view_replay_enabled DeviceType handle_torch_function has_torch_function is_tensor_like": _SELF,
        "SavedTensor": "saved_tensors_hooks is told what is kept",
        "forward_ad": "func.jvp is forward mode, and func.linearize for several tangents; there are no dual tensors",
        "profiler_* Profiler* kineto_available": "profiler.profile, in torch.profiler",
    },
    "torch.autograd.profiler": {"*": "profiler.profile and schedule, in torch.profiler"},
    "torch.profiler.profile": {
        "start_trace stop_trace prepare_trace": "start() and stop(), or a with block",
        "export_memory_timeline": "time is measured, not memory; nn.summary says what the layers of a model take",
        "add_metadata add_metadata_json preset_metadata_json get_trace_id set_custom_trace_id_callback": "what belongs to a trace stands beside its file",
        "toggle_collection_dynamic": "there is one kind of activity, on the CPU",
    },
    "torch.profiler": {
        "ExecutionTraceObserver itt kineto_available KinetoStepTracker DeviceType": "export_chrome_trace writes what was recorded, for chrome://tracing and Perfetto",
        "profiler": _SELF,
        "RecordScope register_optimizer_step_post_hook is_fbcode": _SELF,
    },
    "torch.autograd.functional": {"fwAD": "func.jvp is forward mode"},
    "torch.autograd.function": {
        "AUTOGRAD_FUNCTION_COUNTER custom_function_call hooks": _SELF,
        "InplaceFunction NestedIOFunction": "tensors are values: a Function returns new ones",
        "BackwardCFunction FunctionMeta": _SELF,
    },
    "torch.autograd.graph": {
        "TorchDispatchMode Weak*": _SELF,
        "disable_saved_tensors_hooks allow_mutation_on_saved_tensors GradientEdge get_gradient_edge increment_version region_activation_memory_budget set_warn_* set_override_*": _SELF,
    },
    "torch.cuda": {"*": _DEVICE},
    "torch.cuda.amp": {"*": "there is no mixed precision; tensors keep their dtypes"},
    "torch.amp": {"*": "there is no mixed precision; tensors keep their dtypes"},
    "torch.mps": {"*": _DEVICE},
    "torch.xpu": {"*": _DEVICE},
    "torch.cpu": {"*": _DEVICE},
    "torch.accelerator": {"*": _DEVICE},
    "torch.backends": {"*": "numpy has its own libraries, and no switches for them; leave it out"},
    "torch.linalg": {
        "ldl_factor ldl_factor_ex ldl_solve": "linalg.solve, or linalg.lu_factor and lu_solve",
        "common_notes": _SELF,
    },
    "torch.fft": {
        "Tensor common_args factory_common_args torch": _SELF,
    },
    "torch.special": {
        "common_args multi_dim_common": _SELF,
        "airy_ai chebyshev_polynomial_* hermite_polynomial_h hermite_polynomial_he "
        "laguerre_polynomial_l legendre_polynomial_p shifted_chebyshev_polynomial_*": _SCIPY,
        "Tensor": _SELF,
    },
    "torch.distributed": {
        "new_group new_subgroups* split_group shrink_group GroupMember GroupName ProcessGroup* DeviceMesh init_device_mesh device_mesh get_group_rank "
        "get_global_rank get_process_group_ranks get_pg_count": "all ranks are one group",
        "*Store rendezvous register_rendezvous_handler is_torchelastic_launched elastic launch": "mpiexec starts the ranks, and MPI knows their addresses",
        "fsdp tensor pipelining optim algorithms checkpoint rpc autograd remote_device Reducer GradBucket BuiltinCommHookType": "each rank has the whole model and "
        "optimiser; nn.parallel.DistributedDataParallel averages the gradients",
        "all_gather_single all_gather_coalesced all_reduce_coalesced reduce_scatter_single": "all_gather_into_tensor, reduce_scatter_tensor, and all_reduce of "
        "each tensor with async_op=True",
        "*Options Backend* RankType DebugLevel DistBackendError DistNetworkError DistStoreError QueueEmptyError Logger reduce_op "
        "*_debug_level* get_backend_config get_default_backend_for_device is_backend_available is_ucc_available is_xccl_available supports_complex breakpoint "
        "log logging* record_comm c10d_logger config constants distributed_c10d utils": _SELF,
    },
    "torch.distributed.nn": {
        "all_gather all_to_all all_to_all_single broadcast gather reduce reduce_scatter scatter": "the sum is what gradients flow through: all_reduce, of "
        "each rank's part among zeros",
        "RemoteModule": "each rank has the whole model",
        "ReduceOp group": "they are in torch.distributed",
        "Function api dist jit": _SELF,
    },
    "torch.nn.parallel.distributed": {"Join* RPC_AVAILABLE RRef logger scatter_kwargs tree_flatten tree_unflatten": _SELF},
    "torch.nn.parallel": {
        "DataParallel data_parallel DistributedDataParallelCPU": "DistributedDataParallel, under mpiexec",
        "comm gather parallel_apply replicate scatter scatter_gather deprecated": _SELF,
    },
    "torch.distributions.utils": {
        "euler_constant": "numpy.euler_gamma",
        "F": "it is torch.nn.functional",
        "Device Number R SymInt is_tensor_like": _SELF,
    },
    "torch.distributions.kl": {"ExponentialFamily": "distributions.Distribution; a divergence is register_kl's, family by family"},
    "torch.distributions": {
        "*": "not here; a subclass of distributions.Distribution needs log_prob and sample, and Independent makes vectors of it",
    },
    "torch.distributions.transforms": {
        "*": "not here; a subclass of distributions.Transform needs _call, _inverse and log_abs_det_jacobian"
    },
    "torch.distributions.constraints": {"*": "not here; constraints.Constraint(text, test) is any other set"},
    "torch.testing": {"make_tensor": "mg.rand and mg.randint make inputs", "assert_allclose": "assert_close", "FileCheck": _SELF},
    "torch.func": {
        "replace_all_batch_norm_modules_": "BatchNorm2d(c, track_running_stats=False), or eval(), writes no running averages",
        "functionalize debug_unwrap rearrange": _SELF,
    },
    "torch.serialization": {"*": "save and load take plain state and run nothing, so there is nothing to allow"},
    "torchvision": {
        "io tv_tensors version": "not here; what minigrad has of torchvision is in datasets, models, ops, transforms and utils",
    },
    "torchvision.datasets": {
        "*": "not here; nn.data.Dataset takes two methods",
    },
    "torchvision.models": {
        "resnet vgg": "models.ResNet and models.VGG; the blocks are in minigrad.nn.models.resnet",
        "*_Weights get_weight": "no weights come with minigrad; weights=None, then model.load_state_dict(nn.load_torch(path))",
        "*": "not here; nn.models lists the networks that are, and nn.load_torch reads the weights of others",
    },
    "torchvision.ops": {
        "sigmoid_focal_loss": "(1 - p_t) ** gamma times nn.functional.binary_cross_entropy_with_logits(x, y, reduction='none')",
        "*": "not here; what minigrad has of torchvision.ops is in nn.detection",
    },
    "torchvision.transforms": {
        "RandAugment AutoAugment AugMix TrivialAugmentWide AutoAugmentPolicy": "RandomApply and RandomChoice of RandomAffine and ColorJitter do the like",
        "*": "not here; transforms.Lambda takes any function of an array",
    },
    "torchvision.transforms.functional": {
        "perspective elastic equalize posterize": "not here; rotate, affine, autocontrast and solarize are",
        "*": "not here; transforms.Lambda takes any function of an array",
    },
    "torchvision.transforms.v2": {
        "ToPureTensor": "images are plain Tensors; leave it out",
        "SanitizeBoundingBoxes ConvertBoundingBoxFormat ClampBoundingBoxes": "transforms are of images; torchvision.ops has the arithmetic of boxes",
        "*": "not here; transforms.Lambda takes any function of an array",
    },
    "torchvision.transforms.v2.functional": {"*": "not here; transforms.Lambda takes any function of an array"},
    "torchvision.utils": {"draw_* flow_to_image": "minigrad.plots draws figures", "*": "not here"},
}


# Modules of PyTorch's that hold one family of the names in the module above: each is another name for what stands there.
FAMILIES = {
    "torch.nn.modules": "activation adaptive batchnorm channelshuffle container conv distance dropout flatten fold instancenorm lazy linear loss "
    "normalization padding pixelshuffle pooling rnn sparse transformer upsampling",
    "torch.nn.utils": "clip_grad convert_parameters init",
    "torch.utils.data": "_utils",
    "torch.utils.data._utils": "collate",
    "torch.optim": "adadelta adagrad adam adamax adamw asgd lbfgs nadam radam rmsprop rprop sgd",
    "torch.autograd": "variable",
    "torchvision.transforms": "transforms",
    "torch.distributed.nn": "functional",
    "torch.distributions": "bernoulli beta binomial categorical cauchy chi2 continuous_bernoulli dirichlet distribution exponential fishersnedecor gamma generalized_pareto geometric "
    "gumbel half_cauchy half_normal independent inverse_gamma kumaraswamy laplace lkj_cholesky log_normal logistic_normal lowrank_multivariate_normal mixture_same_family multinomial "
    "multivariate_normal negative_binomial normal one_hot_categorical pareto poisson relaxed_bernoulli relaxed_categorical studentT "
    "transformed_distribution uniform von_mises weibull wishart",
}


def advice(module: str, name: str) -> str | None:
    """What to use instead of ``name`` of PyTorch's ``module``; None where the table knows no such name."""
    for names, text in TABLE.get(module, {}).items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in names.split()):
            return text
    return advice(module.rpartition(".")[0], name) if module.startswith("torch.backends.") else None


_IMPORTED = (
    "__future__", "typing", "collections", "contextlib", "functools", "itertools", "copy", "enum", "datetime", "bisect", "dataclasses", "warnings",
)  # fmt: skip


def elsewhere(name: str) -> str | None:
    """Which other face has ``name``, or that it is Python's: modules of PyTorch show what they import, and people forget where a function is."""
    if name == "torch":
        return "it is the module that your first line imports"
    homes = [path for path, face in sys.modules.items() if path.startswith("minigrad.torch") and name in vars(face)]
    if homes:
        return f"it is in {min(homes, key=lambda path: (path.count('.'), path)).partition('.')[2]}"
    newer = ("override", "deprecated")  # typing's and warnings', of a later Python
    if name in newer or name in sys.stdlib_module_names or any(hasattr(import_module(m), name) for m in _IMPORTED):
        return "it is Python's; import it from there"
    return None


def error(module: str, name: str, owner: str) -> AttributeError:
    """The exception for a missing ``name`` of ``owner``, which stands for PyTorch's ``module``."""
    told = advice(module, name) or (None if name.startswith("_") else elsewhere(name))
    return AttributeError(f"{owner} has no attribute {name!r}{f': {told}' if told else ''}", name=name)


class Missing:
    """An attribute of a class of PyTorch's that raises :func:`error`. (``__getattr__`` would do, but it makes each attribute of a Tensor slow.)"""

    def __init__(self, key: str, name: str):
        self.key, self.name = key, name

    def __get__(self, instance: Any, owner: type) -> Any:
        raise error(self.key, self.name, f"'{_public(owner)}' object")


def _public(owner: type) -> str:
    """The name of a class, or of its first base with a public one: x.data is a Tensor."""
    return next(cls.__name__ for cls in owner.__mro__ if not cls.__name__.startswith("_"))


def answers_as(key: str, patterns: bool = True) -> Callable[[C], C]:
    """Decorator that gives a class the attributes that the table has for PyTorch's class ``key``, which raise :func:`error`.

    ``*_`` in the table stands for ``name_`` for each ``name`` that the class has; for other ``patterns`` the class gets a
    ``__getattr__``, which makes each of its attributes slow: a class that the engine reads gives it to what users see (:func:`unknown`).
    """

    def decorate(cls: C) -> C:
        found = {name for names in TABLE[key] for name in names.split()}
        has = set(dir(cls))
        if "*_" in found:
            found.remove("*_")
            found |= {name + "_" for name in has if name[0] != "_" and name[-1] != "_"}
        starred = {name for name in found if "*" in name}
        if starred and patterns:
            cls.__getattr__ = unknown(key)  # type: ignore[attr-defined]
        for name in found - starred - has:  # the table has advice for each, which is looked up when somebody asks
            setattr(cls, name, Missing(key, name))
        return cls

    return decorate


def unknown(key: str) -> Callable[[Any, str], Any]:
    """The ``__getattr__`` of a class with patterns in the table. A name that fits none may be the user's own: no other face is searched for it."""

    def refuse(self: Any, name: str) -> Any:
        told = advice(key, name)
        raise AttributeError(f"'{_public(type(self))}' object has no attribute {name!r}{f': {told}' if told else ''}", name=name, obj=self)

    return refuse


def is_missing(tensor: type, name: str) -> bool:
    """Whether ``name`` is an attribute that only raises."""
    return isinstance(next((vars(cls)[name] for cls in tensor.__mro__ if name in vars(cls)), None), Missing)


class _Family:
    """The loader of a module of :data:`FAMILIES`."""

    def __init__(self, face: str):
        self.face = face

    def create_module(self, spec: Any) -> None:
        """None: an empty module, as Python makes it."""

    def exec_module(self, module: Any) -> None:
        """Give it the names of the module above."""
        names = {name: value for name, value in vars(sys.modules[self.face]).items() if not name.startswith("__")}
        vars(module).update(names, __getattr__=_answer(module.__name__, self.face.partition(".")[2]))


class _Finder:
    """The last to be asked for a module. One below a face that :data:`FAMILIES` lists has the names of the face.

    For one that the table knows, it raises what the table says: so ``import minigrad.torch.jit`` and
    ``from minigrad.torch.jit import script`` say it too.
    """

    def __init__(self, below: str):
        self.below = below

    def find_spec(self, path: str, locations: Any = None, target: Any = None) -> ModuleSpec | None:
        """None for what it does not know: then Python raises its own error."""
        face, _, name = path.rpartition(".")
        if path.startswith(self.below) and name in FAMILIES.get(face.partition(".")[2], "").split():
            return ModuleSpec(path, _Family(face), origin=face, is_package=True)  # type: ignore[arg-type]  # Python asks for these two methods
        told = (advice(face.partition(".")[2], name) or elsewhere(name)) if path.startswith(self.below) else None
        if told is not None:
            raise ModuleNotFoundError(f"No module named {path!r}: {told}", name=path)
        return None


def answer_for(face: str) -> None:
    """Give the module ``face`` and all loaded ones below it the ``__getattr__`` that raises :func:`error`, or finds a module of :data:`FAMILIES`.

    Each is bound to its name in the one above, over what an ``import *`` there may have brought under that name.
    ``from module import name`` makes an ``ImportError`` without the advice out of an ``AttributeError``; so it gets one with it.
    """
    sys.meta_path.append(_Finder(face + "."))
    for path, module in list(sys.modules.items()):
        if path == face or path.startswith(face + "."):
            vars(module).setdefault("__path__", [])  # else Python asks no finder for what is below a file
            module.__getattr__ = _answer(path, path.partition(".")[2])  # type: ignore[method-assign]
            if path != face:
                above, _, name = path.rpartition(".")
                setattr(sys.modules[above], name, module)


def _answer(path: str, theirs: str) -> Any:
    from opcode import opmap  # not loaded by `import minigrad`

    def missing(name: str) -> Any:
        if name in FAMILIES.get(path.partition(".")[2], "").split():
            return import_module(f"{path}.{name}")
        found = error(theirs, name, f"module {path!r}")
        caller = sys._getframe(1)
        if caller.f_lasti >= 0 and caller.f_code.co_code[caller.f_lasti] == opmap["IMPORT_FROM"] and not name.startswith("_"):
            raise ImportError(str(found).replace("has no attribute", "has no"), name=path)
        raise found

    return missing


def page() -> str:
    """The table in Markdown: a section for each module, a row for each advice."""
    lines: list[str] = []
    for module, rows in TABLE.items():
        told = {names: text for names, text in rows.items() if text != _SELF}
        if told:
            lines += [f"### `{module}`", "", "| name | instead |", "|---|---|"]
            for names, text in told.items():
                shown = "anything else" if names == "*" else ", ".join(f"`{name}`" for name in names.split())
                lines.append(f"| {shown} | {text} |")
            lines.append("")
    return "\n".join(lines)
