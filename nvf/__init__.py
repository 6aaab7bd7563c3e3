"""nvf finds, proves and promotes the best retriever a team can train over frozen embeddings.

>>> import nvf
>>> sweep = nvf.run("search_spaces/quickstart.yaml")  # doctest: +SKIP
>>> sweep.confirm(), sweep.promote()  # doctest: +SKIP
>>> nvf.load("models:/quickstart@champion").search("how do I read a csv?", k=3)  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Sweep", "floors", "load", "open", "run"]

if TYPE_CHECKING:
    from nvf.api import Sweep, floors, load, open, run


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: `import nvf` itself takes no time."""
    if name not in __all__:
        raise AttributeError(f"module 'nvf' has no attribute '{name}'")
    from nvf import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
