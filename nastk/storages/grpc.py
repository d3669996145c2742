"""A study behind Optuna's gRPC proxy, for drivers that cannot reach the database."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from optuna.exceptions import ExperimentalWarning
from optuna.storages import GrpcStorageProxy

from nastk.errors import UserError
from nastk.storages import Opening, Sharing
from nastk.storages.retrying import Retry, RetryingStorage

ANSWER_SECONDS = 5


@dataclass(frozen=True)
class GrpcProxy(Sharing):
    """Optuna's `run_grpc_proxy_server` on a machine that reaches the database; only that machine has its password.

    Attributes:
        host: where it runs. It asks for no password: let only your own machines reach it.
        port: where it listens.

    Raises:
        UserError: a port out of range.
    """

    host: str = "localhost"
    port: int = 13000

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.port <= 65535:
            raise UserError(f"storage.port={self.port}: expected 1 to 65535")
        if "@" in self.host:  # its value is not shown, it may hold a password
            raise UserError("storage.host: has an '@'; the proxy asks for no user and no password, expected HOST alone")
        if not self.host.strip():
            raise UserError(f"storage.host={self.host!r}: expected the name of a machine")

    @property
    def sharing(self) -> Sharing:
        """How drivers share the study."""
        return Sharing(self.study, self.heartbeat, self.grace, self.patience)

    def connect(self) -> Opening:
        """Reaches the proxy.

        Raises:
            UserError: no answer within seconds, or not from a proxy of Optuna's.
        """
        try:
            import grpc
        except ModuleNotFoundError:
            raise UserError("storage=grpc: needs grpcio; pip install 'nastk[grpc]'") from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            storage = GrpcStorageProxy(host=self.host, port=self.port)
        try:
            storage.wait_server_ready(ANSWER_SECONDS)
            with contextlib.suppress(KeyError):
                storage.get_study_id_from_name("")
        except ConnectionError:
            raise UserError(
                f"storage=grpc: {self._where}: no answer within {ANSWER_SECONDS} s; "
                "start optuna.storages.run_grpc_proxy_server there"
            ) from None
        except grpc.RpcError as error:
            raise UserError(f"storage=grpc: {self._where}: no proxy of Optuna's ({error.code().name})") from None
        retrying = RetryingStorage(storage, Retry(_is_away, self.patience, self._where))
        return lambda folder: retrying

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Turns the failure of a proxy that no longer answers into a UserError."""
        import grpc

        try:
            yield
        except grpc.RpcError as error:
            raise UserError(
                f"storage=grpc: {self._where}: {error.code().name}; what it has recorded is kept, "
                "the same command goes on"
            ) from None

    @property
    def _where(self) -> str:
        return f"the proxy on {self.host}:{self.port}"


def _is_away(error: Exception) -> bool:
    import grpc

    return isinstance(error, grpc.RpcError) and error.code() == grpc.StatusCode.UNAVAILABLE
