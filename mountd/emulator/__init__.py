"""An embedded storage server speaking the Azure Blob REST dialect, for trying and testing without a cloud."""

from .faults import Fault, Faults
from .requestlog import RequestLog, Served
from .server import ContainerHelper, Emulator, EmulatorSettings
from .state import DEFAULT_ACCOUNT, DEFAULT_KEY

__all__ = [
    "DEFAULT_ACCOUNT",
    "DEFAULT_KEY",
    "ContainerHelper",
    "Emulator",
    "EmulatorSettings",
    "Fault",
    "Faults",
    "RequestLog",
    "Served",
]
