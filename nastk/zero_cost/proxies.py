"""The proxies there are, by name; what each one is stands in its file."""

from __future__ import annotations

from nastk.zero_cost.fisher import fisher
from nastk.zero_cost.grad_norm import grad_norm
from nastk.zero_cost.jacob_cov import jacob_cov
from nastk.zero_cost.naswot import naswot
from nastk.zero_cost.prepared import Proxy
from nastk.zero_cost.size import macs, params
from nastk.zero_cost.snip import snip
from nastk.zero_cost.synflow import logsynflow, synflow

PROXIES: dict[str, Proxy] = {
    "synflow": synflow,
    "logsynflow": logsynflow,
    "naswot": naswot,
    "grad_norm": grad_norm,
    "snip": snip,
    "fisher": fisher,
    "jacob_cov": jacob_cov,
    "params": params,
    "macs": macs,
}
