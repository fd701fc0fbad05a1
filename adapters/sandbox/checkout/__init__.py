"""A service to break and repair for real: a process with a deploy API, its traffic and its monitor."""

from adapters.sandbox.checkout.monitor import AlertRule, ErrorRateMonitor
from adapters.sandbox.checkout.process import CheckoutNotStartedError, CheckoutProcess
from adapters.sandbox.checkout.traffic import Traffic

__all__ = ["AlertRule", "CheckoutNotStartedError", "CheckoutProcess", "ErrorRateMonitor", "Traffic"]
