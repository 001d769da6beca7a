"""Heavy libraries, imported without others that they bring along and that nobody here uses.

Keras imports scikit-learn, matplotlib and pandas wherever they are installed, for its wrappers and
galleries, and MLflow imports pandas for its data sets. Both work where those are absent; without
them TensorFlow is there after 3.4 seconds of a core instead of 5.5, MLflow after 1.6 instead of
2.3.
"""

import sys
from importlib import import_module
from threading import Lock

# Others are absent for a moment: not for two at a time.
_lock = Lock()


def import_tensorflow() -> None:
    """Import TensorFlow, which imports Keras where it can, before whoever needs them does."""
    import_lean("tensorflow", without=("matplotlib", "pandas", "sklearn"))


def import_mlflow() -> None:
    """Import MLflow, before whoever needs it does."""
    import_lean("mlflow", without=("pandas",))


def import_lean(name: str, *, without: tuple[str, ...]) -> None:
    """Import what is not there yet; meanwhile ``without`` seem not to be installed."""
    with _lock:
        if name in sys.modules:
            return
        hidden = [one for one in without if one not in sys.modules]
        # None: the import system raises ModuleNotFoundError.
        sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
        try:
            import_module(name)
        finally:
            for one in hidden:
                del sys.modules[one]
