"""Augmentation with scikit-learn's interface, for models that are not networks of this package."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..checks import checked_seed
from ..errors import ParameterError
from ..images.augment import Augment

Array = np.ndarray[Any, Any]


class ImageAugmenter(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Changes images where a model is fitted, and leaves those alone that it is asked about.

    In a pipeline, `fit_transform` changes each image once, and `transform`, which is what `predict` and
    `score` call, returns images as they are (so the two differ, as they do for scikit-learn's
    TargetEncoder). A transformer cannot add rows: where a model is to see images and changed copies of them,
    pass it those of `Augment.with_copies`, or let imbalanced-learn's ``FunctionSampler(func=
    augment.with_copies)`` make them in a pipeline of that package.

    A network of this package sees other changes in each epoch if it has the `Augment` itself, as
    ``MLPClassifier(augment=...)`` or ``Network.fit(transform=...)``; that is the better way for them.

    Parameters
    ----------
    augment : Augment
        How images are changed.
    random_state : int

    Attributes
    ----------
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> import chainrule as cr
    >>> X, y = load_digits(return_X_y=True)
    >>> augmenter = cr.ImageAugmenter(cr.Augment((8, 8), rotate=10))
    >>> model = make_pipeline(augmenter, KNeighborsClassifier()).fit(X[:1000], y[:1000])
    >>> bool(model.score(X[1000:], y[1000:]) > 0.9)
    True
    """

    def __init__(self, augment: Any = None, *, random_state: int = 0) -> None:
        self.augment = augment
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the settings and the size of the images.

        Parameters
        ----------
        X : array-like, shape (n, inputs)
        y : ignored

        Raises
        ------
        ParameterError, ShapeError
            If a setting is not what it can be, or X holds no such images.
        """
        self._checked(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """Each image, changed.

        Parameters
        ----------
        X : array-like, shape (n, inputs)
        y : ignored

        Returns
        -------
        ndarray, shape (n, inputs)
        """
        X = self._checked(X)
        changed: Array = self.augment(X, seed=self.random_state)
        return changed

    def transform(self, X: Any) -> Array:
        """Images as they are: shape (n, inputs)."""
        check_is_fitted(self)
        found: Array = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        return found

    def _checked(self, X: Any) -> Array:
        if not isinstance(self.augment, Augment):
            raise ParameterError(
                f"ImageAugmenter: augment must be an Augment, got {self.augment!r:.60}. "
                "Pass e.g. Augment((28, 28), shift=2)."
            )
        checked_seed(self.random_state)
        images: Array = validate_data(self, X, dtype=(np.float64, np.float32), reset=True)
        self.augment.require_images(images.shape)
        return images
