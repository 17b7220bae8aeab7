"""Gunicorn: gevent workers, metrics shared by all of them, streams that end when it stops."""

# Patched before anything else is imported, in the master too: the workers inherit it.
from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
from typing import Any  # noqa: E402

from config.memory import keep_small  # noqa: E402
from config.metrics_folder import prepare  # noqa: E402
from config.settings import load  # noqa: E402

keep_small()
_settings = load()
prepare(_settings)

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.web_workers
worker_class = "gevent"
worker_connections = 6000  # event streams are connections too
keepalive = 5
timeout = 60
graceful_timeout = _settings.shutdown_timeout_ms // 1000
accesslog = None  # the application writes one line a request itself
errorlog = "-"
loglevel = "warning"
proc_name = "lightpost-web"
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Load the encoder before the first question, and end live streams at the signal to stop: waiting
    for them would use up all the patience."""
    import gc
    import signal

    import gevent

    from app.events.hub import hub
    from app.rag.embeddings import provider

    def warm() -> None:
        if _settings.embedding_provider == "local":
            provider(_settings).embed_query("warm")
        # What stays for good is not searched for garbage again: that took 60 ms, every few hundred questions.
        gc.collect()
        gc.freeze()

    gevent.spawn(warm)

    def stop(number: int, frame: Any) -> None:
        gevent.spawn(hub.close)
        worker.handle_exit(number, frame)

    signal.signal(signal.SIGTERM, stop)


def child_exit(server: Any, worker: Any) -> None:
    """Gauges of a worker that is gone no longer count."""
    from prometheus_client import multiprocess

    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.mark_process_dead(worker.pid)
