"""Model files: there and back, whole or not at all, and everything that can be wrong with one."""

import json
import os
import stat
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from chainrule.errors import ChainruleError, ModelFileError, NotFittedError, ParameterError
from chainrule.model.files import load
from chainrule.model.network import Network
from chainrule.nn.dense import Dense
from chainrule.nn.init import Glorot
from chainrule.nn.scaling import Rescale, Standardize
from chainrule.optim.rules import SGD, Adam
from chainrule.training.storage import checksum, read_model, write_model

QUIET = {"engine": "numpy", "verbose": False, "epochs": 1}
X = np.random.default_rng(0).normal(size=(12, 3))
PLACES = np.arange(12) % 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "outputs", "y"),
    [
        ("cross_entropy", 3, PLACES),
        ("cross_entropy", 3, np.array(["ant", "bee", "größer"])[PLACES]),
        ("cross_entropy", 3, np.array([-1.0, 0.0, 7.0])[PLACES]),
        ("cross_entropy", 3, np.array([5, 6, 200], np.uint8)[PLACES]),
        ("cross_entropy", 3, np.eye(3)[PLACES]),
        ("binary_cross_entropy", 1, PLACES == 1),
        ("binary_cross_entropy", 2, X[:, :2] > 0),
        ("mse", 1, X[:, 0]),
        ("mse", 1, X[:, :1]),
        ("half_sum", 2, X[:, :2]),
    ],
)
def test_networks_come_back_as_they_were(tmp_path, loss, outputs, y, dtype):
    net = Network([Dense(4, "tanh", name="gate"), Dense(outputs)], loss=loss, dtype=dtype)
    net.fit(X, y, optimizer=SGD(0.1, momentum=0.5), **QUIET)
    net.metadata = {"columns": ["a", "b", "ü"], "note": None}
    net.save(tmp_path / "m.chainrule")
    back = load(str(tmp_path / "m.chainrule"))
    assert repr(back) == repr(net)
    assert back.metadata == net.metadata
    assert back.optimizer == SGD(0.1, momentum=0.5)
    assert back.source() == net.source()
    assert back.predict(X).dtype == net.predict(X).dtype
    np.testing.assert_array_equal(back.predict(X), net.predict(X))
    for name, value in net.parameters.items():
        assert back.parameters[name].dtype == value.dtype
        np.testing.assert_array_equal(back.parameters[name], value)
    if loss != "mse" and loss != "half_sum":
        np.testing.assert_array_equal(back.predict_proba(X), net.predict_proba(X))
    assert back.fit(X, y, **QUIET).loss == net.fit(X, y, **QUIET).loss


def test_scaling_and_names_come_back(tmp_path):
    layers = [
        Standardize(X.mean(axis=0), X.std(axis=0)),
        Dense(4, "relu", init="glorot"),
        Dense(1),
        Rescale([1e6], [1e5], name="euros"),
    ]
    net = Network(layers, loss="mse", dtype="float64")
    net.build(seed=1)
    net.save(tmp_path / "m.chainrule")
    back = load(tmp_path / "m.chainrule")
    assert back.names == ["standardize", "hidden1", "output", "euros"]
    assert back["hidden1"].init == Glorot()
    np.testing.assert_array_equal(back.predict(X), net.predict(X))


def test_the_file_is_plain_safetensors(tmp_path):
    net = trained()
    net.save(tmp_path / "m.chainrule")
    tensors = load_file(tmp_path / "m.chainrule")
    assert sorted(tensors) == ["hidden1.W", "hidden1.b", "output.W", "output.b"]
    np.testing.assert_array_equal(tensors["hidden1.W"], net["hidden1"].W)


# whole or not at all --------------------------------------------------------------------------


def trained():
    net = Network([Dense(4, "relu"), Dense(3)], loss="cross_entropy")
    net.fit(X, np.array(["a", "b", "c"])[PLACES], optimizer=Adam(0.01), **QUIET)
    return net


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_save_that_fails_leaves_what_was_there(tmp_path, monkeypatch, failing):
    path = tmp_path / "m.chainrule"
    trained().save(path)
    before = path.read_bytes()

    def fail(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(ModelFileError, match="cannot be written: No space left on device"):
            Network([Dense(1, weights=[[1.0]])], loss="mse").save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.chainrule"]
    trained().save(path)
    assert os.listdir(tmp_path) == ["m.chainrule"]


def test_a_save_replaces_and_others_may_read_it(tmp_path):
    path = tmp_path / "m.chainrule"
    path.write_text("old")
    previous = os.umask(0o022)
    try:
        trained().save(path)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert load(path).names == ["hidden1", "output"]


def test_a_save_keeps_the_mode_and_the_link(tmp_path):
    path, link = tmp_path / "m.chainrule", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o600)
    link.symlink_to(path)
    trained().save(link)
    assert link.is_symlink()
    assert load(path).names == ["hidden1", "output"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    trained().save(link)
    assert load(path).names == ["hidden1", "output"]


def test_a_save_replaces_nothing_but_files(tmp_path, monkeypatch):
    net = trained()
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link, os.devnull):
        with pytest.raises(ModelFileError, match="it is a device, a pipe or a socket, not a file"):
            net.save(path)
    with pytest.raises(ModelFileError, match="is a device, a pipe or a socket, not a file"):
        load(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(ModelFileError, match="it is a folder"):
        net.save(tmp_path)
    kept = tmp_path / "kept"
    kept.write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: not (str(path) == str(kept) and mode == os.W_OK))
    with pytest.raises(ModelFileError, match="it is write-protected"):
        net.save(kept)
    assert kept.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["kept", "link", "pipe"]


@pytest.mark.parametrize("path", [None, 3, "", "a\0b"])
def test_names_that_no_file_has(path):
    with pytest.raises(ModelFileError, match="a file's name is needed, got"):
        trained().save(path)
    with pytest.raises(ModelFileError, match="a file's name is needed, got"):
        load(path)


def test_saves_that_cannot_be(tmp_path):
    net = trained()
    with pytest.raises(ModelFileError, match=r"there is no folder .*nowhere"):
        net.save(tmp_path / "nowhere" / "m.chainrule")
    with pytest.raises(ModelFileError, match="cannot be written"):
        net.save(tmp_path)
    with pytest.raises(NotFittedError, match="no weights to save"):
        Network([Dense(2)], loss="mse").save(tmp_path / "m.chainrule")
    for bad in ({"a": {1}}, {"a": float("nan")}, {"a": print}):
        net.metadata = bad
        with pytest.raises(ParameterError, match="metadata must be what JSON can hold"):
            net.save(tmp_path / "m.chainrule")
    assert os.listdir(tmp_path) == []


def test_attachments_are_kept_and_never_opened(tmp_path):
    net, path = trained(), tmp_path / "m.chainrule"
    net.attachments = {"notes": b"\x80\x04\0pickle?", "nothing": b""}
    net.save(path)
    again = load(path)
    assert again.attachments == net.attachments
    assert again.parameters.keys() == net.parameters.keys()
    again.save(path)
    assert load(path).attachments == net.attachments


@pytest.mark.parametrize(
    ("attachments", "message"),
    [
        ({"notes": "text"}, r"save: attachments must be bytes by name. Pass e.g. \{'notes': b'...'\}"),
        ({"": b"x"}, "save: an attachment needs a plain name, got ''"),
        ({"a\nb": b"x"}, r"save: an attachment needs a plain name, got 'a\\nb'"),
        ({3: b"x"}, "save: an attachment needs a plain name, got 3"),
    ],
)
def test_attachments_are_bytes_by_name(tmp_path, attachments, message):
    net = trained()
    net.attachments = attachments
    with pytest.raises(ParameterError, match=message):
        net.save(tmp_path / "m.chainrule")
    assert os.listdir(tmp_path) == []


def test_an_attachment_that_is_no_bytes_is_refused(tmp_path):
    net, path = trained(), tmp_path / "m.chainrule"
    net.attachments = {"notes": b"x"}
    net.save(path)
    header, tensors = read_model(path)
    write_model(path, header, tensors | {"attached:notes": np.ones((2, 2), np.uint8)})
    with pytest.raises(ModelFileError, match="an attachment is not bytes"):
        load(path)


# what can be wrong with a file ----------------------------------------------------------------


def test_files_that_are_none(tmp_path):
    with pytest.raises(ModelFileError, match="there is no such file"):
        load(tmp_path / "m.chainrule")
    with pytest.raises(ModelFileError, match="is a folder, not a file"):
        load(tmp_path)
    path = tmp_path / "other"
    for content in (b"", b"\x80\x04pickle", b"PK\x03\x04", b"\xff" * 100, struct.pack("<Q", 2) + b"{}"):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"is not a model file, or is truncated|did not write it"):
            load(path)
    save_file({"W": np.ones(2)}, path)
    with pytest.raises(ModelFileError, match="is a safetensors file, but chainrule did not write it"):
        load(path)


def test_truncated_files_are_refused_wherever_they_end(tmp_path):
    path = tmp_path / "m.chainrule"
    trained().save(path)
    content = path.read_bytes()
    for length in [*range(0, 200, 7), *range(200, len(content), 31), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError, match="is not a model file, or is truncated"):
            load(path)
    path.write_bytes(content + b"x")
    with pytest.raises(ModelFileError):
        load(path)


def test_files_with_a_wrong_byte_give_a_clear_error_or_a_network(tmp_path):
    path = tmp_path / "m.chainrule"
    trained().save(path)
    content = path.read_bytes()
    random = np.random.default_rng(0)
    end = 8 + struct.unpack("<Q", content[:8])[0]
    messages = []
    for place in random.integers(0, end, 400):
        broken = bytearray(content)
        broken[place] = random.integers(0, 256)
        path.write_bytes(broken)
        try:
            load(path)
        except ModelFileError as error:
            messages.append(str(error))
    assert len(messages) > 200
    assert all(message.startswith(f"{path}: ") for message in messages)


def edited(path, edit):
    """The file again, with `edit(header, tensors)` done to what it holds."""
    content = path.read_bytes()
    tensors = load_file(path)
    header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
    ours = json.loads(header["__metadata__"]["chainrule"])
    replaced = edit(ours, tensors)
    ours = ours if replaced is None else replaced
    text = ours if isinstance(ours, str) else json.dumps(ours)
    save_file(tensors, path, metadata={"chainrule": text, "sha256": checksum(text, tensors)})


def put(*keys_and_value):
    *keys, last, value = keys_and_value

    def edit(header, tensors):
        for key in keys:
            header = header[key]
        header[last] = value

    return edit


def drop(*keys):
    def edit(header, tensors):
        for key in keys[:-1]:
            header = header[key]
        del header[keys[-1]]

    return edit


def tensor(name, value):
    def edit(header, tensors):
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value

    return edit


def test_a_file_changed_by_one_bit_is_refused(tmp_path):
    path = tmp_path / "m.chainrule"
    trained().save(path)
    whole = path.read_bytes()
    draw = np.random.default_rng(0)
    for at in draw.integers(0, len(whole), 300):
        changed = bytearray(whole)
        changed[at] ^= 1 << int(draw.integers(8))
        path.write_bytes(bytes(changed))
        with pytest.raises(ModelFileError):
            load(path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelFileError, match="is damaged: its content is not what was written"):
        load(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda h, t: "{", "its description is broken"),
        (lambda h, t: "[]", "no version"),
        (lambda h, t: "[" * 100_000, "its description is broken"),
        (put("version", "1"), "no version"),
        (put("version", 2), "has format 2; this chainrule reads up to 1. Upgrade it"),
        (drop("layers"), "'layers' is missing"),
        (put("layers", []), "belongs to no layer"),
        (put("layers", 3), "does not describe a network"),
        (put("layers", ["dense"]), "does not describe a network"),
        (put("layers", 0, "type", "dens"), "layer type 'dens' is unknown; did you mean 'dense'"),
        (put("layers", 0, "type", ["dense"]), "is unknown"),
        (put("layers", 0, "type", "standardize"), "parameters are mean and std"),
        (put("layers", 0, "key", "hidden9"), "parameters are W and b, got \\[\\]"),
        (put("layers", 0, "key", 3), "does not describe a network"),
        (put("layers", 0, "name", "x = __import__('os')"), "not a plain identifier"),
        (put("layers", 0, "name", "gate"), "its layers are called \\['hidden1', 'output'\\]"),
        (put("layers", 0, "settings", "units", 10**12), "weights must have shape"),
        (put("layers", 0, "settings", "units", -4), "units must be a positive int"),
        (put("layers", 0, "settings", "units", None), "units must be a positive int"),
        (put("layers", 0, "settings", "activation", "print"), "activation 'print' is unknown"),
        (put("layers", 0, "settings", "weights", [[1]]), "does not describe a network"),
        (put("layers", 0, "settings", "other", 1), "does not describe a network"),
        (put("layers", 0, "settings", None), "does not describe a network"),
        (put("losses", ["mean"]), "loss 'mean' is unknown"),
        (put("losses", [None]), "does not describe a network"),
        (put("losses", []), "1 output need as many losses, got 0"),
        (put("loss_weights", [0]), "a loss weight must be above 0"),
        (put("calls", [[0, [5]], [1, [1]]]), "takes values \\(5,\\), of which some are not made yet"),
        (put("calls", [[7, [0]], [1, [1]]]), "does not describe a network"),
        (put("outputs", [0]), "each output must be another node that a layer makes"),
        (put("inputs", [[2, "x = 1"]]), "not a plain identifier"),
        (put("dtype", "float64"), "hidden1.W is float32, where the network is 'float64'"),
        (put("dtype", "object"), "where the network is 'object'"),
        (put("dtype", 7), "where the network is 7"),
        (put("targets", 0, "columns", "no"), "its targets are broken"),
        (put("targets", 3), "does not describe a network"),
        (put("targets", [{}, {}]), "it has 2 targets for 1 outputs"),
        (put("targets", 0, "classes", "labels", ["a", "b"]), "2 class labels for 3 outputs"),
        (put("targets", 0, "classes", "labels", ["b", "a", "c"]), "not in order"),
        (put("targets", 0, "classes", "labels", ["a", "a", "c"]), "not in order"),
        (put("targets", 0, "classes", "labels", [["a"]]), "its class labels are broken"),
        (put("targets", 0, "classes", "labels", [1, 2, 3]), "its class labels are broken"),
        (put("targets", 0, "classes", "dtype", "O"), "its class labels are broken"),
        (put("targets", 0, "classes", "dtype", "nonsense"), "does not describe a network"),
        (put("optimizer", "name", "eval"), "optimizer 'eval' is unknown"),
        (put("optimizer", "settings", "beta1", 2), "beta1 must be"),
        (put("optimizer", "settings", "other", 2), "does not describe a network"),
        (put("metadata", [1]), "its metadata is no JSON object"),
        (tensor("hidden1.b", None), "parameters are W and b, got \\['W'\\]"),
        (tensor("hidden1.c", np.ones(2, np.float32)), "parameters are W and b"),
        (tensor("other.W", np.ones(2, np.float32)), "'other.W' belongs to no layer"),
        (tensor("W", np.ones(2, np.float32)), "'W' belongs to no layer"),
        (tensor("hidden1.b", np.ones(3, np.float32)), "bias must have shape \\(4,\\), got \\(3,\\)"),
        (tensor("output.W", np.ones((5, 3), np.float32)), "4 inputs need \\(4, 3\\)"),
        (tensor("output.b", np.full(3, np.nan, np.float32)), "NaN or infinity"),
        (tensor("output.b", np.ones(3, np.int64)), "output.b is int64"),
    ],
)
def test_files_that_contradict_themselves_are_refused(tmp_path, edit, message):
    path = tmp_path / "m.chainrule"
    trained().save(path)
    edited(path, edit)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert isinstance(caught.value, ChainruleError)
    assert isinstance(caught.value, OSError)
