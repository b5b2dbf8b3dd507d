"""The one door to Ray: a head of our own, a connection to a running one, and the executor over it."""

from investlab.compute.executor import RayExecutor, ray_executor
from investlab.compute.head import RayHead, attach, start_head

__all__ = ["RayExecutor", "RayHead", "attach", "ray_executor", "start_head"]
