"""GPUs of this machine, as NVIDIA's management library (NVML) tells of them."""

from collections.abc import Callable
from typing import Any

from soundcheck.load.telemetry.exposition import Readings


class Gpus:
    """The GPUs that ``library``, the module ``pynvml``, sees; none where it cannot begin.

    What a GPU does not tell (a partitioned one has no utilisation) is left out.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        self._gpus: list[tuple[str, str, Any]] = []
        try:
            library.nvmlInit()
            for number in range(library.nvmlDeviceGetCount()):
                handle = library.nvmlDeviceGetHandleByIndex(number)
                uuid = _text(library.nvmlDeviceGetUUID(handle))
                self._gpus.append((uuid, _text(library.nvmlDeviceGetName(handle)), handle))
        except library.NVMLError:
            return  # no driver, or no leave to ask it

    def __len__(self) -> int:
        return len(self._gpus)

    def read(self) -> Readings:
        """Return the figures of now."""
        library = self._library
        figures: dict[str, Callable[[Any], float]] = {
            "nvml:utilisation": lambda gpu: library.nvmlDeviceGetUtilizationRates(gpu).gpu / 100,
            "nvml:power": lambda gpu: library.nvmlDeviceGetPowerUsage(gpu) / 1000,
            "nvml:memory": lambda gpu: float(library.nvmlDeviceGetMemoryInfo(gpu).used),
            "nvml:temperature": lambda gpu: float(
                library.nvmlDeviceGetTemperature(gpu, library.NVML_TEMPERATURE_GPU)
            ),
            "nvml:energy": lambda gpu: library.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1000,
        }
        readings = Readings()
        for uuid, name, handle in self._gpus:
            readings.gpus[uuid] = name
            for metric, figure in figures.items():
                try:
                    readings.add(metric, uuid, figure(handle), largest=True)
                except library.NVMLError:
                    continue
        return readings


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
