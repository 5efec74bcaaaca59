"""Reading a file of torch or safetensors as plain data; no code in it is run.

torch.load only with weights_only=True. Releases keep their settings beside the weights: a Namespace of argparse, numpy
numbers, paths. The classes of those (SETTINGS) are read as empty stand-ins, so that the weights can be taken; every
other class or function that a pickle names refuses the file, and the error names it. Of a TorchScript archive the
weights alone are read (torch_script.py).
"""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from mcg.convert.rules import ConvertError
from mcg.convert.torch_script import is_torch_script, read_torch_script
from mcg.strange_files import looks_like_safetensors, refusal, strange_kind

_BUILT_IN = ("bool", "bytes", "float", "frozenset", "int", "list", "object", "range", "slice", "str")
_OBJECTS = (
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in _BUILT_IN),
    *("argparse.Namespace", "types.SimpleNamespace", "ml_collections.config_dict.config_dict.ConfigDict"),
    *("omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig", "omegaconf.base.ContainerMetadata"),
    *("omegaconf.base.Metadata", "omegaconf.nodes.AnyNode", "omegaconf.nodes.IntegerNode", "typing.Any"),
    *("omegaconf.nodes.FloatNode", "omegaconf.nodes.StringNode", "omegaconf.nodes.BooleanNode"),
    *("pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib.WindowsPath", "pathlib.PureWindowsPath", "pathlib.Path"),
    *("pathlib._local.PosixPath", "pathlib._local.PurePosixPath", "pathlib._local.WindowsPath"),
    *("datetime.datetime", "datetime.timedelta", "datetime.date", "decimal.Decimal", "uuid.UUID"),
    *("numpy.dtype", "numpy.ndarray"),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"),
    *(f"numpy.dtypes.{name}DType" for name in ("Float64", "Float32", "Float16", "Int64", "Int32", "Bool", "UInt8")),
    *(f"numpy.{name}" for name in ("float64", "float32", "float16", "int64", "int32", "bool_", "uint8")),
    *(f"deepspeed.runtime.fp16.loss_scaler.{name}" for name in ("LossScaler", "DynamicLossScaler")),
    *("deepspeed.runtime.zero.config.ZeroStageEnum", "deepspeed.utils.tensor_fragment.fragment_address"),
    *("transformers.training_args.TrainingArguments", "transformers.trainer_utils.HubStrategy"),
    *("transformers.trainer_utils.IntervalStrategy", "transformers.trainer_utils.SchedulerType"),
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
)
_DICTS = (
    *("collections.defaultdict", "builtins.dict", "__builtin__.dict", "easydict.EasyDict", "addict.addict.Dict"),
    *("munch.Munch", "yacs.config.CfgNode", "fvcore.common.config.CfgNode"),
    *("pytorch_lightning.utilities.parsing.AttributeDict", "lightning.fabric.utilities.data.AttributeDict"),
    "lightning_fabric.utilities.data.AttributeDict",
)
SETTINGS = _OBJECTS + _DICTS
"""Classes of settings in files of weights, by the names that pickles give them."""


class _SettingsObject:
    """A stand-in for an object of settings: takes the state that a pickle gives it, and keeps nothing."""

    def __init__(self, *_: Any) -> None:
        pass

    def __new__(cls, *_: Any) -> _SettingsObject:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


class _SettingsDict:
    """The same for classes of mappings: torch fills in none but dict, OrderedDict and Counter."""

    def __new__(cls, *_: Any) -> Any:
        return OrderedDict()


def read_file(file: Path) -> Any:
    """The content of a file of weights; its bytes tell its format, not its name. Raises ConvertError."""
    if not file.is_file():
        raise ConvertError(f"{file}: no such file")
    if is_torch_script(file):
        return read_torch_script(file)
    kind = strange_kind(file)
    if kind is not None:
        raise ConvertError(f"{file}: no file of weights: it is {kind}")
    if file.suffix == ".safetensors" or looks_like_safetensors(file):
        try:
            return load_file(file)
        except (OSError, SafetensorError) as error:
            raise ConvertError(f"{file}: not readable as safetensors ({error}); fetch it again") from error
    mapped = zipfile.is_zipfile(file)  # torch maps only its newer format
    stand_ins: list[Any] = [(_SettingsObject, name) for name in _OBJECTS] + [(_SettingsDict, name) for name in _DICTS]
    try:
        with torch.serialization.safe_globals([_SettingsObject, *stand_ins]):
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # torch's readers raise what they meet: UnpicklingError, EOFError, KeyError, ...
        raise ConvertError(f"{file}: {refusal(error)}") from error
