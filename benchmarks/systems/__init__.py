"""The systems that are compared, one small file each. `SYSTEMS` has them by name, ours first."""

from systems.bentoml import BentoML
from systems.kserve import KServe
from systems.litserve import LitServe
from systems.mlserver import MLServer
from systems.modelport import Modelport
from systems.mosec import Mosec
from systems.ray import RayServe
from systems.system import NotInstalledError, System
from systems.triton import Triton

SYSTEMS: dict[str, System] = {
    "modelport": Modelport(),
    "triton": Triton(),
    "mosec": Mosec(),
    "mlserver": MLServer(),
    "kserve": KServe(),
    "litserve": LitServe(),
    "bentoml": BentoML(),
    "ray": RayServe(),
}

__all__ = ["SYSTEMS", "NotInstalledError", "System"]
