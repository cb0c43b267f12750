"""The records, by kind, and the functions that apply them."""

from . import elementwise, gather, linalg, move, random, reduce
from . import helpers as helpers  # enters the functions that NumPy expressions call
from . import slices as slices  # enters x[...]
from .elementwise import *  # noqa: F403
from .gather import *  # noqa: F403
from .linalg import *  # noqa: F403
from .move import *  # noqa: F403
from .random import *  # noqa: F403
from .reduce import *  # noqa: F403

__all__ = [
    *elementwise.__all__,
    *gather.__all__,
    *linalg.__all__,
    *move.__all__,
    *random.__all__,
    *reduce.__all__,
]
