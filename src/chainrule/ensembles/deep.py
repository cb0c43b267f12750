"""Deep ensembles: the same network trained from several starts."""

from __future__ import annotations

from typing import Any, Self

from .training import Job, TrainedEnsemble, checked_settings, member_seeds


class DeepEnsemble(TrainedEnsemble):
    """Networks that are trained on all rows, each from other weights and in another order of rows.

    Parameters
    ----------
    network : Network or sequence of Network
        What members are copies of; it is left as it is. Several networks, which may have other layers, become
        a member each. Members draw their weights anew, apart from those given to layers or frozen.
    members : int, optional
        How many: 5 where one network is passed.
    combine : {"mean", "vote"}
        As for `Ensemble`.

    Attributes
    ----------
    members : list of Network
        Empty before `fit`.
    seeds : list of int
        The members': ``network.fit(X, y, seed=seeds[2])`` trains the third.
    histories : list of History
    interrupted : bool
        Whether Ctrl-C ended the last fit; the members that were finished are kept.

    Raises
    ------
    ParameterError
        If `members` is no positive int, or both it and several networks are given.

    References
    ----------
    Lakshminarayanan, Pritzel and Blundell (2017), Simple and scalable predictive uncertainty estimation using
    deep ensembles; without their outputs for a variance and their adversarial examples.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([cr.Dense(8, "tanh"), cr.Dense(2)], loss="cross_entropy")
    >>> three = cr.DeepEnsemble(net, members=3)
    >>> three = three.fit([[0.0], [1.0]], ["no", "yes"], epochs=200, engine="numpy", verbose=False)
    >>> three.predict([[0.1], [0.9]]).tolist()
    ['no', 'yes']
    """

    kind = "seeds"

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        seed: int = 0,
        n_jobs: int | None = None,
        verbose: bool = True,
        **settings: Any,
    ) -> Self:
        """Train the members.

        Results do not depend on how many are trained at once. Ctrl-C keeps the members that are finished, in
        their order; if there is none, it goes on as KeyboardInterrupt.

        Parameters
        ----------
        X, y : array-like
            As for `Network.fit`.
        seed : int
            The members' seeds are drawn from it.
        n_jobs : int, optional
            How many members are trained at once, by joblib and the backend that is chosen there; -1 for as
            many as there are processors.
        verbose : bool
            Tell of each member on standard error.
        **settings
            Of `Network.fit`: optimizer, batch_size, epochs, validation_data, callbacks, ... Each member has
            copies of the callbacks; of a `Checkpoint` one with a folder of its own, member1, member2, ..., so
            that ``resume=True`` goes on with the members that were not finished.

        Returns
        -------
        DeepEnsemble
            Itself.

        Raises
        ------
        ParameterError
            If a setting cannot be passed to members, or the networks differ in what they predict.
        ShapeError, DTypeError, DataError
            As for `Network.fit`.

        Warns
        -----
        RuntimeWarning
            If a member's loss or weights became NaN or infinite.
        """
        given = checked_settings("DeepEnsemble.fit", settings, {})
        networks = self._copies(X, y)
        self.seeds = member_seeds(seed, self.size)
        jobs = [Job(k + 1, networks[k], X, y, own, given) for k, own in enumerate(self.seeds)]
        return self._train(jobs, n_jobs, verbose)
