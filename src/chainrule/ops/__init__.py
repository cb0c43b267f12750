"""The records, by kind, and the functions that apply them."""

from . import elementwise, helpers, linalg, move, random, reduce
from .elementwise import *  # noqa: F403
from .linalg import *  # noqa: F403
from .move import *  # noqa: F403
from .random import *  # noqa: F403
from .reduce import *  # noqa: F403

__all__ = [*elementwise.__all__, *linalg.__all__, *move.__all__, *random.__all__, *reduce.__all__]
_ = helpers
